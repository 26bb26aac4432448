#!/usr/bin/env -S node --single-threaded-gc
/**
 * What `vipd` starts (bundle.mjs puts it at dist/cli/main.js): runs the bundle beside it, by V8's code cache where that fits this Node
 * and its flags. Purpose: a start compiles nothing. Boundary: without a cache, or with one of another Node, V8 compiles as
 * ever; both files carry the hash of the bundle in their names, so that a cache never meets another bundle's text.
 */
"use strict";
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { Script } = require("node:vm");

const BUNDLE = "vipd.js";

function cacheOf(file) {
  try {
    return readFileSync(`${file}.cache`);
  } catch {
    return undefined;
  }
}

const file = join(__dirname, BUNDLE);
// One byte a character: the bundle is ASCII, and V8 need not decode it.
const script = new Script(readFileSync(file, "latin1"), { filename: file, cachedData: cacheOf(file) });
script.runInThisContext()(module.exports, require, module, file, __dirname, pathToFileURL(file).href);
