"use strict";

Redoc.init(
  document.querySelector("link[rel=service-desc]").href,
  { expandResponses: "200,201,202", sortRequiredPropsFirst: true },
  document.getElementById("docs"),
);
