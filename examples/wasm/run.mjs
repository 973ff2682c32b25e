// Runs a program of la, compiled to WebAssembly, under node: with the files, the environment and the arguments of this
// process.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { isatty } from "node:tty";

const require = createRequire(import.meta.url);

/// emscripten hands addresses, sizes and offsets of 2 GB and more to its files as negative numbers.
function readBeyondSigned(FS) {
  const unsigned = (value) => (value < 0 ? value + 2 ** 32 : value);
  for (const name of ["read", "write"]) {
    const signed = FS[name];
    FS[name] = (stream, buffer, address, size, offset) => signed(stream, buffer, unsigned(address), unsigned(size), unsigned(offset));
  }
}

/// name: of NAME.cjs and NAME.wasm beside this file
export async function run(name, args) {
  const start = require(`./${name}.cjs`);
  const module = {
    wasmBinary: readFileSync(new URL(`${name}.wasm`, import.meta.url)),
    arguments: args,
    preRun: [() => Object.assign(module.ENV, process.env)],
    onRuntimeInitialized() {
      readBeyondSigned(module.FS);
      for (const stream of [0, 1, 2]) module.FS.streams[stream].tty = isatty(stream);  // all are taken for terminals
    },
  };
  await start(module);
}
