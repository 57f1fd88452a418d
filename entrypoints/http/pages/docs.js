"use strict";

const address = document.querySelector("link[rel=service-desc]").href;

SwaggerUIBundle({
  url: address,
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false, // an API key is not left behind in the browser
  tryItOutEnabled: true,
  validatorUrl: null, // otherwise a stranger is asked to judge the document
  responseInterceptor: (response) => {
    if (response.url === address && response.ok) {
      response.text = JSON.stringify(readyToTry(JSON.parse(response.text)));
    }
    return response;
  },
});

/**
 * The document with inputs that can be sent as they are. Each operation gets an Idempotency-Key of
 * its own: sent again it shows the replay, and the key of one is never refused by another. Of what
 * may be left out no example is filled in: it would be sent.
 */
function readyToTry(described) {
  for (const item of Object.values(described.paths)) {
    for (const operation of Object.values(item)) {
      if (operation.parameters) {
        operation.parameters = operation.parameters.map((each) =>
          filledIn(each.$ref ? resolved(described, each.$ref) : each),
        );
      }
    }
  }
  return described;
}

function filledIn({ example, examples, ...parameter }) {
  if (parameter.name === "Idempotency-Key") return { ...parameter, example: randomKey() };
  return parameter.required ? { ...parameter, example, examples } : parameter;
}

function resolved(described, reference) {
  return described.components.parameters[reference.split("/").at(-1)];
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
