/**
 * Writes BUNDLE.cache: V8's code cache of all functions of the bundle, for the Node that runs this (code-cache.mjs calls it).
 * Boundary: compiles, runs nothing.
 */
"use strict";
const { readFileSync, writeFileSync } = require("node:fs");
const { setFlagsFromString } = require("node:v8");
const { Script } = require("node:vm");

const bundle = process.argv[2];
// Not to be lazy is a flag, too: it must be as it was when the cache is made, since V8 refuses a cache of other flags.
setFlagsFromString("--no-lazy");
const script = new Script(readFileSync(bundle, "latin1"), { filename: bundle });
setFlagsFromString("--lazy");
writeFileSync(`${bundle}.cache`, script.createCachedData());
