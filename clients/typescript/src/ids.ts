// Ids of decisions and events. They need to be unique, not secret.

const BYTES = 16;

/** Return 32 random hexadecimal digits. */
export function newId(): string {
  const bytes = new Uint8Array(BYTES);
  // Node 18 has no global crypto unless it is told to.
  if (globalThis.crypto === undefined) {
    bytes.forEach((_, index) => (bytes[index] = Math.floor(Math.random() * 256)));
  } else {
    globalThis.crypto.getRandomValues(bytes);
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
