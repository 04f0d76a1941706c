// Writes the examples of README.md into files, so that they are compiled and run as they stand but
// for the service's address.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const ADDRESS = '"http://127.0.0.1:8080"';
const examples = [...readFileSync("README.md", "utf8").matchAll(/^```ts\n(.*?)^```$/gms)];

mkdirSync("test/examples", { recursive: true });
examples.forEach(([, text], number) => {
  const code = text.replace(ADDRESS, 'process.env["MARQUEE_URL"] ?? ""');
  writeFileSync(`test/examples/example_${number}.ts`, code);
});
