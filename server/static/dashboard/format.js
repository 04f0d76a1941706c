// Numbers with sensible digits and units; an absent one is a dash.

const DASH = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const isThere = (value) => value !== null && value !== undefined && Number.isFinite(value);
const minus = (text) => text.replace("-", "−");

export const count = (value) => (isThere(value) ? minus(whole.format(value)) : DASH);

/** 12,345 as 12.3 k. */
export function short(value) {
  if (!isThere(value)) return DASH;
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    const scale = size === 1e4 ? 1e3 : size;
    if (Math.abs(value) >= size) return minus(digits(value / scale, 3)) + unit;
  }
  return Number.isInteger(value) ? count(value) : minus(digits(value, 3));
}

/** As many digits as matter, four places after the point at most. */
export function digits(value, all = 3) {
  if (!isThere(value)) return DASH;
  const before = value === 0 ? 1 : Math.floor(Math.log10(Math.abs(value))) + 1;
  return minus(value.toFixed(Math.max(0, Math.min(all - before, 4))));
}

export function percent(value, after = 1) {
  return isThere(value) ? `${minus((100 * value).toFixed(after))} %` : DASH;
}

/** A change, with its sign. */
export function change(value, after = 0) {
  if (!isThere(value)) return DASH;
  const shown = (100 * Math.abs(value)).toFixed(after);
  return `${value < 0 ? "−" : "+"}${shown} %`;
}

/** How long something took or lasts. */
export function duration(seconds) {
  if (!isThere(seconds)) return DASH;
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${digits(seconds * 1e6, 2)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3, 2)} ms`;
  if (seconds < 120) return `${digits(seconds, 2)} s`;
  if (seconds < 7200) return `${whole.format(seconds / 60)} min`;
  if (seconds < 172_800) return `${digits(seconds / 3600, 2)} h`;
  return `${whole.format(seconds / 86_400)} days`;
}

export function bytes(size) {
  if (!isThere(size)) return DASH;
  if (size < 1e3) return `${size} B`;
  return size < 1e6 ? `${digits(size / 1e3)} kB` : `${digits(size / 1e6)} MB`;
}

export const bits = (value) => (isThere(value) ? `${value.toFixed(2)} bits` : DASH);

/** A moment by the clock of whoever looks. */
export function moment(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleTimeString("en-GB");
}

export function ago(unixSeconds) {
  const seconds = Date.now() / 1000 - unixSeconds;
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** What a configured value looks like. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Words as a sentence begins. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A name as people write it: `reward_drop` as "reward drop". */
export const words = (name) => name.replaceAll("_", " ");
