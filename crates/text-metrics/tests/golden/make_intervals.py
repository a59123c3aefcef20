"""Reference values of the unit tests of skewness.rs, student.rs and estimate.rs (scipy 1.17.1, numpy).

python3 make_intervals.py prints them; the tests have them as constants.
"""

import numpy as np
from scipy import stats


def hall(x):
    """Skewness and one-sided p of Hall's transformation (1992) of t: the mean is not below 0."""
    n, ratio, g = len(x), x.mean() / x.std(ddof=1), stats.skew(x, bias=False)
    t = np.sqrt(n) * (ratio + g * ratio**2 / 3 + g**2 * ratio**3 / 27 + g / (6 * n))
    return g, stats.t.cdf(t, n - 1)


x = np.array([-0.3, -0.1, -0.25, 0.9, -0.2, -0.15, 0.05, -0.4])
n, (g, p) = len(x), hall(x)
quantile = stats.t.ppf(0.975, n - 1)
inverse = lambda t: 3 * (np.cbrt(1 + g * (t / np.sqrt(n) - g / (6 * n))) - 1) / g
print("skewness, p", g, p)
print("interval", x.mean() - x.std(ddof=1) * inverse(quantile), x.mean() - x.std(ddof=1) * inverse(-quantile))
print("p with the guard", hall(np.append(x, x.max()))[1])

for t, freedom in [(-12.706204736432095, 1), (-2, 1), (0.5, 2), (-3.2, 4), (-1, 29), (-4, 99), (2.5, 61), (-8, 4999), (-0.001, 7)]:
    print("cdf", t, freedom, stats.t.cdf(t, freedom))
for freedom in [1, 2, 3, 4, 61, 4999]:
    print("97.5 %", freedom, stats.t.ppf(0.975, freedom))
for losses in [2, 3, 5, 13]:
    print("equal losses", losses, max(hall(np.append(-np.ones(losses), 0))[1], 0.5**losses))

# Five stories of 20 questions: the error between clusters, and Wilson's interval of the effective number of samples.
right, share = np.array([20, 17, 13, 8, 2]), 0.6
variance = ((right - 20 * share) ** 2).sum() * 5 / 4 / 100**2
effective, z = share * (1 - share) / variance, stats.t.ppf(0.975, 4)
centre = (share + z * z / 2 / effective) / (1 + z * z / effective)
half = z / (1 + z * z / effective) * np.sqrt(share * (1 - share) / effective + z * z / 4 / effective**2)
print("stories", 100 * variance**0.5, 100 * (centre - half), 100 * (centre + half))
