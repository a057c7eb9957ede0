"use strict";

// Redoc shows its maker's logo from another host. Here the logo is never found, and left out.
const { set } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
function setSource(source) {
  if (new URL(source, location.href).origin === location.origin) {
    set.call(this, source);
  } else {
    queueMicrotask(() => this.dispatchEvent(new Event("error")));
  }
}
Object.defineProperty(HTMLImageElement.prototype, "src", { set: setSource });
HTMLImageElement.prototype.setAttribute = function (name, value) {
  name === "src" ? setSource.call(this, value) : Element.prototype.setAttribute.call(this, name, value);
};

const place = document.getElementById("redoc");
Redoc.init(place.dataset.document, { nonce: place.dataset.nonce }, place);
