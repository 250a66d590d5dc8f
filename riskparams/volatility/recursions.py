"""The GJR-GARCH recursion, its Student-t likelihood and the gradient of both, compiled."""

from __future__ import annotations

from math import log

import numpy as np
from numba import njit

from riskparams.terms import FloatArray, IntArray


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
def gjr_t_sums(
    e: FloatArray, alpha: float, gamma: float, beta: float, nu: float, omega: float, domega: FloatArray, backcast: float
) -> tuple[float, float, float, FloatArray]:
    """Return the parts of the Student-t log likelihood that need the data.

    With x = e**2 / (sigma2 * (nu - 2)): the sums of log(sigma2), log(1 + x) and x / (1 + x), and the derivatives of
    -sum(log(sigma2)) / 2 - (nu + 1) / 2 * sum(log(1 + x)) in (omega, alpha, gamma, beta). `domega[i]` is the
    derivative of omega in the latter three (zero unless targeted). Logarithms are taken of products of eight.
    """
    log_sigma2, log_tail, weight = 0.0, 0.0, 0.0
    d_omega, d_alpha, d_gamma, d_beta = 0.0, 0.0, 0.0, 0.0
    persistence = alpha + 0.5 * gamma + beta
    sigma2 = omega + persistence * backcast
    s_omega, s_alpha, s_gamma, s_beta = 1.0, domega[0] + backcast, domega[1] + 0.5 * backcast, domega[2] + backcast
    product_sigma2, product_tail = 1.0, 1.0
    for t in range(len(e)):
        square = e[t] * e[t]
        x = square / (sigma2 * (nu - 2.0))
        share = x / (1.0 + x)
        product_sigma2 *= sigma2
        product_tail *= 1.0 + x
        if t & 7 == 7:
            log_sigma2 += log(product_sigma2)
            log_tail += log(product_tail)
            product_sigma2, product_tail = 1.0, 1.0
        weight += share
        slope = 0.5 * ((nu + 1.0) * share - 1.0) / sigma2
        d_omega += slope * s_omega
        d_alpha += slope * s_alpha
        d_gamma += slope * s_gamma
        d_beta += slope * s_beta
        negative = square if e[t] < 0 else 0.0
        s_omega = 1.0 + beta * s_omega
        s_alpha = domega[0] + square + beta * s_alpha
        s_gamma = domega[1] + negative + beta * s_gamma
        s_beta = domega[2] + sigma2 + beta * s_beta
        sigma2 = omega + alpha * square + gamma * negative + beta * sigma2
        if sigma2 < 1e-12:
            sigma2 = 1e-12
    log_sigma2 += log(product_sigma2)
    log_tail += log(product_tail)
    return log_sigma2, log_tail, weight, np.array([d_omega, d_alpha, d_gamma, d_beta])
