#!/usr/bin/env node
// examples/ground.cpp in WebAssembly, with its flags. Without --threads, or with one that is not above 1, on one thread.
import { run } from "./run.mjs";

const args = process.argv.slice(2);
const threads = args.reduce((last, word, i) => (word === "--threads" ? args[i + 1] : word.startsWith("--threads=") ? word.slice(10) : last), "1");
await run(threads > 1 ? "ground-threads" : "ground", args);
