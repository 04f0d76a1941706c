// Rates over time out of counts by interval.

/** Sums over the last `width` intervals, at each. */
export function movingSums(values, width) {
  let sum = 0;
  return values.map((value, place) => {
    sum += value - (place >= width ? values[place - width] : 0);
    return sum;
  });
}

/** `part` over `whole`, each summed over the last `width` intervals; null where `whole` is 0. */
export function movingRates(part, whole, width) {
  const parts = movingSums(part, width);
  return movingSums(whole, width).map((sum, place) => (sum > 0 ? parts[place] / sum : null));
}

/** Means over the last `width` intervals of the values that are there. */
export function movingMeans(values, width) {
  const there = values.map((value) => (value === null ? 0 : 1));
  return movingRates(values.map((value) => value ?? 0), there, width);
}
