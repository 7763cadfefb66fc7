// Explorers: the image between the nearest decoded ones, mixed by distance.
for (const element of document.querySelectorAll(".explorer")) {
  const facts = JSON.parse(element.dataset.explorer);
  const sprite = new Image();
  sprite.addEventListener("load", () => explore(element, facts, sprite));
  sprite.src = element.dataset.sprite;
}

function explore(element, facts, sprite) {
  const view = element.querySelector("canvas.view");
  const [xs, ys] = [element.querySelector("input.x"), element.querySelector("input.y")];
  const said = element.querySelector("output");
  const map = element.querySelector("canvas.map");
  view.width = facts.width;
  view.height = facts.height;
  const pen = view.getContext("2d");

  function add(frame, weight) {
    if (weight < 1e-6) return;
    pen.globalAlpha = weight;
    const [column, row] = [frame % facts.columns, Math.floor(frame / facts.columns)];
    const [w, h] = [facts.width, facts.height];
    pen.drawImage(sprite, column * w, row * h, w, h, 0, 0, w, h);
  }

  function draw() {
    pen.globalAlpha = 1;
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, view.width, view.height);
    pen.globalCompositeOperation = "lighter";
    const x = Number(xs.value);
    if (facts.kind === "walk") {
      const at = x * (Number(element.dataset.frames) - 1);
      const left = Math.min(Math.floor(at), Number(element.dataset.frames) - 2);
      add(left, left + 1 - at);
      add(left + 1, at - left);
      said.textContent = `${Math.round(100 * x)} % of the way from the first sample to the second`;
    } else {
      const y = Number(ys.value);
      const across = ((x + facts.reach) / (2 * facts.reach)) * (facts.columns - 1);
      const down = ((facts.reach - y) / (2 * facts.reach)) * (facts.rows - 1);
      const [left, top] = [Math.min(Math.floor(across), facts.columns - 2), Math.min(Math.floor(down), facts.rows - 2)];
      for (const [dx, dy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
        const weight = (1 - Math.abs(across - left - dx)) * (1 - Math.abs(down - top - dy));
        add((top + dy) * facts.columns + left + dx, weight);
      }
      said.textContent = `z = (${x.toFixed(2)}, ${y.toFixed(2)})`;
      drawMap(x, y);
    }
    view.setAttribute("aria-label", `decoded image, ${said.textContent}`);
  }

  function drawMap(x, y) {
    map.width = sprite.width;
    map.height = sprite.height;
    const ink = map.getContext("2d");
    ink.drawImage(sprite, 0, 0);
    const [px, py] = place(x, y);
    for (const [colour, width] of [["#fff", 9], ["#d1242f", 5]]) {
      ink.strokeStyle = colour;
      ink.lineWidth = width;
      ink.beginPath();
      ink.arc(px, py, 0.8 * facts.width, 0, 2 * Math.PI);
      ink.stroke();
    }
  }

  // The middle of the outermost images is the plane's edge.
  function place(x, y) {
    const column = ((x + facts.reach) / (2 * facts.reach)) * (facts.columns - 1);
    const row = ((facts.reach - y) / (2 * facts.reach)) * (facts.rows - 1);
    return [(column + 0.5) * facts.width, (row + 0.5) * facts.height];
  }

  function follow(event) {
    const box = map.getBoundingClientRect();
    const column = ((event.clientX - box.left) / box.width) * facts.columns - 0.5;
    const row = ((event.clientY - box.top) / box.height) * facts.rows - 0.5;
    const limit = (value) => Math.max(-facts.reach, Math.min(facts.reach, value));
    xs.value = limit((column / (facts.columns - 1)) * 2 * facts.reach - facts.reach);
    ys.value = limit(facts.reach - (row / (facts.rows - 1)) * 2 * facts.reach);
    draw();
  }

  xs.addEventListener("input", draw);
  if (ys) ys.addEventListener("input", draw);
  if (map) {
    map.addEventListener("pointermove", follow);
    map.addEventListener("pointerdown", follow);
  }
  draw();
}
