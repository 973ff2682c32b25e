#!/usr/bin/env node
// benchmarks/web.cpp: products in WebAssembly, as shares of what this engine can do.
import { run } from "./run.mjs";

await run("kernels", process.argv.slice(2));
