#!/usr/bin/env node
// The published program's first file. Any Node since 0.10 can read it, so that one which is too old for the rest
// is told so in a sentence.
/* oxlint-disable no-var */
"use strict";

var needed = "OLDEST_NODE".split(".").map(Number);
var running = process.versions.node.split(".").map(Number);
var difference = running[0] - needed[0] || running[1] - needed[1] || running[2] - needed[2];

if (difference < 0) {
  console.error(
    "cufflink: this is Node " +
      process.versions.node +
      " (" +
      process.execPath +
      "), and cufflink needs Node " +
      needed.join(".") +
      " or newer. Install one (https://nodejs.org), or put its folder first in PATH.",
  );
  process.exit(69);
}
require("./start.cjs");
