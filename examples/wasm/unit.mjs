#!/usr/bin/env node
// Tests of kernels and model in WebAssembly, with the flags of doctest.
import { run } from "./run.mjs";

await run("unit", process.argv.slice(2));
