"""The variance recursions, their likelihoods and gradients, compiled.

A parameter vector of GJR-GARCH is `(mu, omega, rise, fall, beta, nu, skew)`: `rise` and `fall` are the responses to a squared
return above and below the mean, alpha and alpha + gamma. That of two components is
`(slow decay, omega, fast rise, fast fall, fast decay, slow rise, slow fall)`: the same length, the intercept in the same place.
"""

from __future__ import annotations

from math import inf, lgamma, log, pi, sqrt

import numpy as np
from numba import njit

from riskparams.terms import FloatArray, IntArray

NORMAL, STUDENT_T, SKEWED_T, COMPONENTS, CENTRED_T = range(5)
MU, OMEGA, RISE, FALL, BETA, NU, SKEW = range(7)
SLOW_DECAY, _, FAST_RISE, FAST_FALL, FAST_DECAY, SLOW_RISE, SLOW_FALL = range(7)


@njit(cache=True, nogil=True)
def gjr_filter(
    e: FloatArray, starts: IntArray, omega: float, alpha: float, gamma: float, beta: float, backcast: FloatArray
) -> FloatArray:
    """Return n + 1 conditional variances: entry t is known before e[t], the last one is the forecast after the sample.

    sigma2[t] = omega + (alpha + gamma * [e[t-1] < 0]) * e[t-1]**2 + beta * sigma2[t-1]; at each index in `starts`
    (ascending, the first is 0) the recursion begins anew from the backcast of that segment.
    """
    n = len(e)
    sigma2 = np.empty(n + 1)
    segment = 0
    for t in range(n + 1):
        if t < n and segment < len(starts) and starts[segment] == t:
            sigma2[t] = omega + (alpha + 0.5 * gamma + beta) * backcast[segment]
            segment += 1
        else:
            square = e[t - 1] * e[t - 1]
            sigma2[t] = omega + alpha * square + beta * sigma2[t - 1]
            if e[t - 1] < 0:
                sigma2[t] += gamma * square
    return sigma2


@njit(cache=True, nogil=True)
def digamma(x: float) -> float:
    """Return the derivative of log gamma for x > 0: upward recurrence, then the asymptotic series."""
    value = 0.0
    while x < 10.0:
        value -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132))))
    return value + log(x) - 0.5 / x - series


@njit(cache=True, nogil=True)
def component_filter(e: FloatArray, starts: IntArray, theta: FloatArray, backcast: FloatArray) -> FloatArray:
    """Return n + 1 conditional variances of the two-component recursion, begun anew at each index in `starts`.

    sigma2 = omega + fast + slow, where each component is an exponentially weighted mean of its response to squared returns:
    m[t+1] = decay * m[t] + (1 - decay) * (rise * up[t] + fall * down[t]).
    """
    slow_decay, omega, fast_rise, fast_fall, fast_decay, slow_rise, slow_fall = theta
    n = len(e)
    sigma2 = np.empty(n + 1)
    fast, slow = 0.0, 0.0
    segment = 0
    for t in range(n + 1):
        if t < n and segment < len(starts) and starts[segment] == t:
            fast = 0.5 * (fast_rise + fast_fall) * backcast[segment]
            slow = 0.5 * (slow_rise + slow_fall) * backcast[segment]
            segment += 1
        else:
            square = e[t - 1] * e[t - 1]
            below = e[t - 1] < 0
            fast = fast_decay * fast + (1 - fast_decay) * (fast_fall if below else fast_rise) * square
            slow = slow_decay * slow + (1 - slow_decay) * (slow_fall if below else slow_rise) * square
        sigma2[t] = omega + fast + slow
    return sigma2


@njit(cache=True, nogil=True)
def component_likelihood(e: FloatArray, theta: FloatArray, before: float, gradient: FloatArray) -> float:
    """Return the Gaussian log likelihood of the two-component recursion and write its gradient in `theta`, shape (7,)."""
    slow_decay, omega, fast_rise, fast_fall, fast_decay, slow_rise, slow_fall = theta
    n = len(e)
    up_fast, down_fast, up_slow, down_slow = 0.5 * before, 0.5 * before, 0.5 * before, 0.5 * before
    s_fast, s_slow = 0.0, 0.0  # derivatives of the components in their decay
    d_omega, d_fast_rise, d_fast_fall, d_fast_decay, d_slow_rise, d_slow_fall, d_slow_decay = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    log_sigma2, squares, product = 0.0, 0.0, 1.0
    for t in range(n):
        fast = fast_rise * up_fast + fast_fall * down_fast
        slow = slow_rise * up_slow + slow_fall * down_slow
        sigma2 = omega + fast + slow
        if not sigma2 > 0.0:
            return -inf
        square = e[t] * e[t]
        inverse = 1.0 / sigma2
        share = square * inverse
        slope = 0.5 * (share - 1.0) * inverse
        squares += share
        product *= sigma2
        if t & 7 == 7 and not 1e-100 < product < 1e100:
            log_sigma2 += log(product)
            product = 1.0
        d_omega += slope
        d_fast_rise += slope * up_fast
        d_fast_fall += slope * down_fast
        d_fast_decay += slope * s_fast
        d_slow_rise += slope * up_slow
        d_slow_fall += slope * down_slow
        d_slow_decay += slope * s_slow
        below = 0.5 * (e[t] - abs(e[t]))
        down = below * below
        up = square - down
        s_fast = fast - (fast_rise * up + fast_fall * down) + fast_decay * s_fast
        s_slow = slow - (slow_rise * up + slow_fall * down) + slow_decay * s_slow
        up_fast = up + fast_decay * (up_fast - up)
        down_fast = down + fast_decay * (down_fast - down)
        up_slow = up + slow_decay * (up_slow - up)
        down_slow = down + slow_decay * (down_slow - down)
    log_sigma2 += log(product)
    gradient[OMEGA] = d_omega
    gradient[FAST_RISE], gradient[FAST_FALL], gradient[FAST_DECAY] = d_fast_rise, d_fast_fall, d_fast_decay
    gradient[SLOW_RISE], gradient[SLOW_FALL], gradient[SLOW_DECAY] = d_slow_rise, d_slow_fall, d_slow_decay
    return -0.5 * (n * log(2 * pi) + log_sigma2 + squares)


@njit(cache=True, nogil=True)
def centred_t_likelihood(e: FloatArray, theta: FloatArray, before: float, gradient: FloatArray) -> float:
    """Return `likelihood` of STUDENT_T with mu = 0 and a fixed variance before the sample; the gradient in mu is left at 0."""
    _, omega, rise, fall, beta, nu, _ = theta
    n, room = len(e), nu - 2.0
    sigma2 = omega + (0.5 * (rise + fall) + beta) * before
    s_omega, s_rise, s_fall, s_beta = 1.0, 0.5 * before, 0.5 * before, before
    d_omega, d_rise, d_fall, d_beta = 0.0, 0.0, 0.0, 0.0
    log_sigma2, log_tail, shares, product_sigma2, product_tail = 0.0, 0.0, 0.0, 1.0, 1.0
    for t in range(n):
        if not sigma2 > 0.0:
            return -inf
        square = e[t] * e[t]
        tail = sigma2 * room + square
        inverse = 1.0 / (sigma2 * tail)
        share = square * sigma2 * inverse
        slope = ((nu + 1.0) * share - 1.0) * (tail * inverse)
        shares += share
        product_sigma2 *= sigma2
        product_tail *= tail
        if t & 7 == 7 and not (1e-100 < product_sigma2 < 1e100 and 1e-100 < product_tail < 1e100):
            log_sigma2 += log(product_sigma2)
            log_tail += log(product_tail)
            product_sigma2, product_tail = 1.0, 1.0
        d_omega += slope * s_omega
        d_rise += slope * s_rise
        d_fall += slope * s_fall
        d_beta += slope * s_beta
        below = 0.5 * (e[t] - abs(e[t]))  # the return where it fell, else 0: no branch, because no processor could guess it
        down = below * below
        up = square - down
        s_omega = 1.0 + beta * s_omega
        s_rise = up + beta * s_rise
        s_fall = down + beta * s_fall
        s_beta = sigma2 + beta * s_beta
        sigma2 = (omega + (rise * up + fall * down)) + beta * sigma2
    log_sigma2 += log(product_sigma2)
    log_tail += log(product_tail) - n * log(room) - log_sigma2
    constant = lgamma((nu + 1) / 2) - lgamma(nu / 2) - log(pi * room) / 2
    constant_nu = (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / room) / 2
    gradient[:] = 0.0
    gradient[OMEGA], gradient[RISE], gradient[FALL], gradient[BETA] = 0.5 * d_omega, 0.5 * d_rise, 0.5 * d_fall, 0.5 * d_beta
    gradient[NU] = n * constant_nu - 0.5 * log_tail + 0.5 * (nu + 1) * shares / room
    value: float = n * constant - 0.5 * log_sigma2 - 0.5 * (nu + 1) * log_tail
    return value


@njit(cache=True, nogil=True)
def likelihood(e: FloatArray, law: int, theta: FloatArray, start: FloatArray, gradient: FloatArray) -> float:
    """Return the log likelihood of returns `e` and write its gradient in `theta`, shape (7,).

    `law` is NORMAL, STUDENT_T (Bollerslev 1987) or SKEWED_T (Hansen 1994), each with variance 1; COMPONENTS; or CENTRED_T,
    which is STUDENT_T about a mean of zero in fewer operations. The variance before the sample is
    start[0] + start[1] * mu + start[2] * mu**2. Logarithms are taken of products, eight factors at a time until these leave
    1e-100 to 1e100. Minus infinity where a variance is not positive.
    """
    if law == COMPONENTS:
        return component_likelihood(e, theta, start[0], gradient)
    if law == CENTRED_T:
        return centred_t_likelihood(e, theta, start[0], gradient)
    mu, omega, rise, fall, beta, nu, skew = theta
    n = len(e)
    before = start[0] + (start[1] + start[2] * mu) * mu
    persistence = 0.5 * (rise + fall) + beta
    sigma2 = omega + persistence * before
    s_mu = persistence * (start[1] + 2 * start[2] * mu)
    s_omega, s_rise, s_fall, s_beta = 1.0, 0.5 * before, 0.5 * before, before
    d_mu, d_omega, d_rise, d_fall, d_beta, d_nu, d_skew = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    log_sigma2, log_tail, squares, product_sigma2, product_tail = 0.0, 0.0, 0.0, 1.0, 1.0

    constant, constant_nu, constant_skew = -0.5 * log(2 * pi), 0.0, 0.0
    a, b, a_nu, b_nu, a_skew, b_skew, room = 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0
    if law != NORMAL:
        room = nu - 2.0
        constant = lgamma((nu + 1) / 2) - lgamma(nu / 2) - log(pi * room) / 2
        constant_nu = (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / room) / 2
    if law == SKEWED_T:
        from_c = np.exp(constant)
        a_skew = 4 * from_c * room / (nu - 1)
        a = a_skew * skew
        b = sqrt(1 + 3 * skew * skew - a * a)
        a_nu = a * (constant_nu + 1 / room - 1 / (nu - 1))
        b_nu, b_skew = -a * a_nu / b, (3 * skew - a * a_skew) / b
        constant += log(b)
        constant_nu += b_nu / b
        constant_skew = b_skew / b

    for t in range(n):
        if not sigma2 > 0.0:
            return -inf
        r = e[t] - mu
        square = r * r
        if law == STUDENT_T:  # tail = (nu - 2) sigma2 + r**2
            tail = sigma2 * room + square
            inverse = 1.0 / (sigma2 * tail)
            share = square * sigma2 * inverse
            slope = 0.5 * ((nu + 1.0) * share - 1.0) * (tail * inverse)
            pull = (nu + 1.0) * r * (sigma2 * inverse)
            squares += share
        elif law == NORMAL:
            inverse = 1.0 / sigma2
            tail = 1.0
            share = square * inverse
            slope = 0.5 * (share - 1.0) * inverse
            pull = r * inverse
            squares += share
        else:
            sigma = sqrt(sigma2)
            z = r / sigma
            side = -1.0 if b * z + a < 0 else 1.0
            scale = 1.0 + side * skew
            u = (b * z + a) / scale
            tail = room + u * u
            force = (nu + 1.0) * u / tail
            push = force * b / scale  # minus the derivative in z
            slope = 0.5 * (push * z - 1.0) / sigma2
            pull = push / sigma
            squares += u * u / tail
            d_nu -= force * (b_nu * z + a_nu) / scale
            d_skew -= force * ((b_skew * z + a_skew) - u * side) / scale
        product_sigma2 *= sigma2
        product_tail *= tail
        if t & 7 == 7 and not (1e-100 < product_sigma2 < 1e100 and 1e-100 < product_tail < 1e100):
            log_sigma2 += log(product_sigma2)
            log_tail += log(product_tail)
            product_sigma2, product_tail = 1.0, 1.0
        d_mu += pull + slope * s_mu
        d_omega += slope * s_omega
        d_rise += slope * s_rise
        d_fall += slope * s_fall
        d_beta += slope * s_beta
        below = 0.5 * (r - abs(r))  # r where it fell, else 0
        down = below * below
        up = square - down
        s_mu = beta * s_mu - 2.0 * (rise * (r - below) + fall * below)
        s_omega = 1.0 + beta * s_omega
        s_rise = up + beta * s_rise
        s_fall = down + beta * s_fall
        s_beta = sigma2 + beta * s_beta
        sigma2 = (omega + (rise * up + fall * down)) + beta * sigma2
    log_sigma2 += log(product_sigma2)
    log_tail += log(product_tail)

    value = n * constant - 0.5 * log_sigma2
    if law == NORMAL:
        value -= 0.5 * squares
    else:
        log_tail -= n * log(room) + (log_sigma2 if law == STUDENT_T else 0.0)
        value -= 0.5 * (nu + 1) * log_tail
        d_nu += n * constant_nu - 0.5 * log_tail + 0.5 * (nu + 1) * squares / room
        d_skew += n * constant_skew
    gradient[MU], gradient[OMEGA], gradient[RISE], gradient[FALL] = d_mu, d_omega, d_rise, d_fall
    gradient[BETA], gradient[NU], gradient[SKEW] = d_beta, d_nu, d_skew
    return value
