/**
 * Ten distributions: probability or density, moments, and samples from uniform random numbers.
 *
 * Each has `density(x, parameters)` (the probability of x where it is discrete), `mean`, `variance`, `range` (what a
 * plot should show) and `sample(parameters, random)`, where `random()` is uniform in [0, 1). The bounds of a parameter
 * may be functions of the others.
 */

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Logarithm of the gamma function for x > 0 (Lanczos 1964, g = 7). */
function logGamma(x) {
  const shifted = x - 1;
  const base = shifted + 7.5;
  const series = LANCZOS.slice(1).reduce((sum, term, index) => sum + term / (shifted + index + 1), LANCZOS[0]);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(series);
}

const logChoose = (n, k) => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
const isCount = (x) => Number.isInteger(x) && x >= 0;
const power = (base, exponent) => (exponent === 0 ? 1 : base ** exponent);

/** One standard normal number (Box and Muller 1958). */
function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** One gamma number of scale 1 (Marsaglia and Tsang 2000). */
function gamma(shape, random) {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

const chance = { name: "p", means: "probability of success", min: 0.02, max: 0.98, step: 0.01, value: 0.3 };

/** The distributions by name. */
export const DISTRIBUTIONS = {
  bernoulli: {
    title: "Bernoulli",
    formula: "P(1) = p,  P(0) = 1 − p",
    example: "One flip of a coin that shows heads with probability p.",
    discrete: true,
    parameters: [chance],
    density: (x, { p }) => (x === 1 ? p : x === 0 ? 1 - p : 0),
    mean: ({ p }) => p,
    variance: ({ p }) => p * (1 - p),
    range: () => [0, 1],
    sample: ({ p }, random) => (random() < p ? 1 : 0),
  },
  binomial: {
    title: "Binomial",
    formula: "P(k) = C(n, k) pᵏ (1 − p)ⁿ⁻ᵏ",
    example: "How many of n e-mails are spam, when each is with probability p.",
    discrete: true,
    parameters: [{ name: "n", means: "trials", min: 1, max: 60, step: 1, value: 20 }, chance],
    density: (k, { n, p }) =>
      isCount(k) && k <= n ? Math.exp(logChoose(n, k)) * power(p, k) * power(1 - p, n - k) : 0,
    mean: ({ n, p }) => n * p,
    variance: ({ n, p }) => n * p * (1 - p),
    range: ({ n }) => [0, n],
    sample: ({ n, p }, random) => Array.from({ length: n }, () => random() < p).filter(Boolean).length,
  },
  poisson: {
    title: "Poisson",
    formula: "P(k) = λᵏ exp(−λ) / k!",
    example: "Calls that reach a switchboard in an hour, λ on average.",
    discrete: true,
    parameters: [{ name: "lambda", label: "λ", means: "mean number", min: 0.2, max: 30, step: 0.1, value: 4 }],
    density: (k, { lambda }) => (isCount(k) ? Math.exp(k * Math.log(lambda) - lambda - logGamma(k + 1)) : 0),
    mean: ({ lambda }) => lambda,
    variance: ({ lambda }) => lambda,
    range: ({ lambda }) => [0, Math.ceil(lambda + 4.5 * Math.sqrt(lambda) + 2)],
    sample: ({ lambda }, random) => {
      let product = 1 - random();
      let count = 0;
      while (product > Math.exp(-lambda)) {
        product *= 1 - random();
        count += 1;
      }
      return count;
    },
  },
  geometric: {
    title: "Geometric",
    formula: "P(k) = (1 − p)ᵏ⁻¹ p,  k = 1, 2, …",
    example: "Throws of a die until the first six, the last throw counted (TFP counts the failures before it).",
    discrete: true,
    parameters: [{ ...chance, min: 0.05 }],
    density: (k, { p }) => (Number.isInteger(k) && k >= 1 ? power(1 - p, k - 1) * p : 0),
    mean: ({ p }) => 1 / p,
    variance: ({ p }) => (1 - p) / p ** 2,
    range: ({ p }) => [1, Math.max(4, Math.ceil(Math.log(0.004) / Math.log(1 - p)))],
    sample: ({ p }, random) => Math.max(1, Math.ceil(Math.log(1 - random()) / Math.log(1 - p))),
  },
  hypergeometric: {
    title: "Hypergeometric",
    formula: "P(k) = C(K, k) C(N − K, n − k) / C(N, n)",
    example: "Broken ones among n bulbs taken from a box of N, of which K are broken.",
    discrete: true,
    parameters: [
      { name: "N", means: "all", min: 1, max: 80, step: 1, value: 50 },
      { name: "K", means: "of the kind", min: 0, max: ({ N }) => N, step: 1, value: 15 },
      { name: "n", means: "drawn", min: 1, max: ({ N }) => N, step: 1, value: 12 },
    ],
    density: (k, { N, K, n }) => {
      if (!isCount(k) || k > K || n - k > N - K || k > n) return 0;
      return Math.exp(logChoose(K, k) + logChoose(N - K, n - k) - logChoose(N, n));
    },
    mean: ({ N, K, n }) => (n * K) / N,
    variance: ({ N, K, n }) => (N > 1 ? (n * K * (N - K) * (N - n)) / (N * N * (N - 1)) : 0),
    range: ({ N, K, n }) => [Math.max(0, n - N + K), Math.min(n, K)],
    sample: ({ N, K, n }, random) => {
      let found = 0;
      for (let drawn = 0; drawn < n; drawn += 1) {
        if (random() * (N - drawn) < K - found) found += 1;
      }
      return found;
    },
  },
  uniform: {
    title: "Uniform",
    formula: "p(x) = 1 / (b − a),  a ≤ x ≤ b",
    example: "How long one waits for a bus that comes every b minutes, when a is 0.",
    parameters: [
      { name: "a", means: "from", min: -5, max: 5, step: 0.1, value: 0 },
      { name: "b", means: "to", min: ({ a }) => a + 0.5, max: 11, step: 0.1, value: 6 },
    ],
    density: (x, { a, b }) => (x >= a && x <= b ? 1 / (b - a) : 0),
    mean: ({ a, b }) => (a + b) / 2,
    variance: ({ a, b }) => (b - a) ** 2 / 12,
    range: ({ a, b }) => [a, b],
    sample: ({ a, b }, random) => a + (b - a) * random(),
  },
  normal: {
    title: "Normal",
    formula: "p(x) = exp(−(x − μ)² / 2σ²) / (σ √2π)",
    example: "The sum of many small independent errors of a measurement.",
    parameters: [
      { name: "mu", label: "μ", means: "mean", min: -5, max: 5, step: 0.1, value: 0 },
      { name: "sigma", label: "σ", means: "standard deviation", min: 0.2, max: 4, step: 0.1, value: 1 },
    ],
    density: (x, { mu, sigma }) => Math.exp(-((x - mu) ** 2) / (2 * sigma ** 2)) / (sigma * Math.sqrt(2 * Math.PI)),
    mean: ({ mu }) => mu,
    variance: ({ sigma }) => sigma ** 2,
    range: ({ mu, sigma }) => [mu - 3.6 * sigma, mu + 3.6 * sigma],
    sample: ({ mu, sigma }, random) => mu + sigma * normal(random),
  },
  exponential: {
    title: "Exponential",
    formula: "p(x) = λ exp(−λ x),  x ≥ 0",
    example: "Time until the next click of a Geiger counter with λ clicks a second.",
    parameters: [{ name: "lambda", label: "λ", means: "rate", min: 0.2, max: 4, step: 0.1, value: 1 }],
    density: (x, { lambda }) => (x >= 0 ? lambda * Math.exp(-lambda * x) : 0),
    mean: ({ lambda }) => 1 / lambda,
    variance: ({ lambda }) => 1 / lambda ** 2,
    range: ({ lambda }) => [0, 6 / lambda],
    sample: ({ lambda }, random) => -Math.log(1 - random()) / lambda,
  },
  log_normal: {
    title: "Log-normal",
    formula: "p(x) = exp(−(ln x − μ)² / 2σ²) / (x σ √2π),  x > 0",
    example: "Incomes, or sizes of files: a product of many independent factors.",
    parameters: [
      { name: "mu", label: "μ", means: "mean of ln x", min: -1, max: 2, step: 0.1, value: 0 },
      { name: "sigma", label: "σ", means: "standard deviation of ln x", min: 0.1, max: 1.2, step: 0.05, value: 0.5 },
    ],
    density: (x, { mu, sigma }) => {
      if (x <= 0) return 0;
      return Math.exp(-((Math.log(x) - mu) ** 2) / (2 * sigma ** 2)) / (x * sigma * Math.sqrt(2 * Math.PI));
    },
    mean: ({ mu, sigma }) => Math.exp(mu + sigma ** 2 / 2),
    variance: ({ mu, sigma }) => (Math.exp(sigma ** 2) - 1) * Math.exp(2 * mu + sigma ** 2),
    range: ({ mu, sigma }) => [0, Math.exp(mu + 2.4 * sigma)],
    sample: ({ mu, sigma }, random) => Math.exp(mu + sigma * normal(random)),
  },
  beta: {
    title: "Beta",
    formula: "p(x) = xᵅ⁻¹ (1 − x)ᵝ⁻¹ / B(α, β),  0 < x < 1",
    example: "What is known of a coin's p after α − 1 heads and β − 1 tails.",
    parameters: [
      { name: "alpha", label: "α", means: "heads + 1", min: 0.5, max: 20, step: 0.1, value: 2 },
      { name: "beta", label: "β", means: "tails + 1", min: 0.5, max: 20, step: 0.1, value: 5 },
    ],
    density: (x, { alpha, beta }) => {
      if (x <= 0 || x >= 1) return 0;
      const scale = logGamma(alpha + beta) - logGamma(alpha) - logGamma(beta);
      return Math.exp(scale + (alpha - 1) * Math.log(x) + (beta - 1) * Math.log1p(-x));
    },
    mean: ({ alpha, beta }) => alpha / (alpha + beta),
    variance: ({ alpha, beta }) => (alpha * beta) / ((alpha + beta) ** 2 * (alpha + beta + 1)),
    range: () => [0, 1],
    sample: ({ alpha, beta }, random) => {
      const a = gamma(alpha, random);
      return a / (a + gamma(beta, random));
    },
  },
};
