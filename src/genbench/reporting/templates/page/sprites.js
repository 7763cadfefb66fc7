// Sprites: equally large images in one file, of which one is cut out onto a canvas.
const interaction = JSON.parse(document.getElementById("interaction").textContent);
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

function load(sprite) {
  sprite.loading ??= new Promise((resolve) => {
    const image = new Image();
    image.addEventListener("load", () => resolve(image));
    image.src = sprite.src;
  });
  return sprite.loading;
}

// What each canvas was asked for last: a picture that came late would cover a later one.
const orders = new WeakMap();

async function cut(sprite, index, canvas) {
  const order = {};
  orders.set(canvas, order);
  const image = await load(sprite);
  if (orders.get(canvas) !== order) return;
  const [w, h] = [sprite.width, sprite.height];
  const [column, row] = [index % sprite.columns, Math.floor(index / sprite.columns)];
  canvas.width = w;
  canvas.height = h;
  canvas.getContext("2d").drawImage(image, column * w, row * h, w, h, 0, 0, w, h);
}

function wipe(sprite, canvas) {
  orders.delete(canvas);
  [canvas.width, canvas.height] = [sprite.width, sprite.height];
}

const percent = (share) => `${Math.round(100 * share)} %`;
const whole = (value) => Math.round(value).toLocaleString("en");
