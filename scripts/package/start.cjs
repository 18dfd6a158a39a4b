// By itself, because a Node that is too old cannot read an import().
"use strict";

void import("./daemon/main.js");
