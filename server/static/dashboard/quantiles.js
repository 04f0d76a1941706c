// Quantiles of histograms, as the service reckons them: evenly spread within a bucket.

/** The quantile of counts by bucket; the last bucket has no bound. */
export function quantile(fraction, bounds, counts) {
  const rank = fraction * counts.reduce((sum, one) => sum + one, 0);
  let below = 0;
  for (let place = 0; place < bounds.length; place += 1) {
    const low = place ? bounds[place - 1] : 0;
    if (counts[place] && below + counts[place] >= rank) {
      return low + ((bounds[place] - low) * Math.max(0, rank - below)) / counts[place];
    }
    below += counts[place];
  }
  return bounds.at(-1);
}

/** What was observed between two answers; since the start where there is none before. */
export function figuresBetween(bounds, now, before) {
  const wasRestarted = before && before.count > now.count;
  const counts = now.counts.map((one, place) => one - (before && !wasRestarted ? before.counts[place] : 0));
  const count = counts.reduce((sum, one) => sum + one, 0);
  const at = (fraction) => quantile(fraction, bounds, counts);
  return { count, p50_s: at(0.5), p95_s: at(0.95), p99_s: at(0.99) };
}
