#!/usr/bin/env node
// examples/ground.cpp in WebAssembly, with its flags.
import { run } from "./run.mjs";

await run("ground", process.argv.slice(2));
