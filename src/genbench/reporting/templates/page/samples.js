// Samples: every one of a picture is a button; it opens beside the training image nearest to it.
{
  const GAP = 2; // pixels of white around each sample of a picture
  const COLUMNS = 8;
  const dialog = document.getElementById("sample");
  const grids = [];
  let open = null; // the grid and the number of the sample that is looked at

  const className = (part, label) => part.classes[label] ?? `class ${label}`;

  function takenFor(part, look) {
    if (look.class === null) return "";
    const sure = `taken for ${className(part, look.class)}, ${percent(look.certainty)} certain`;
    return look.ambiguous ? `${sure}, ambiguous` : sure;
  }

  function makeGrid(figure) {
    const part = interaction.parts[figure.dataset.part];
    const exhibit = part.exhibits[figure.dataset.exhibit];
    const picture = figure.querySelector("img");
    const cells = document.createElement("div");
    cells.className = "cells";
    cells.setAttribute("role", "group");
    cells.setAttribute("aria-label", `${picture.alt}: arrow keys move, Enter opens`);
    picture.replaceWith(cells);
    cells.append(picture);
    const [width, height] = [picture.getAttribute("width"), picture.getAttribute("height")];
    const side = (width - GAP) / COLUMNS - GAP;
    const rows = Math.ceil(exhibit.samples.length / COLUMNS);
    const tall = (height - GAP) / rows - GAP;
    const buttons = exhibit.samples.map((look, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = i ? -1 : 0;
      button.setAttribute("aria-label", [`sample ${i + 1}`, takenFor(part, look)].filter(Boolean).join(", "));
      const [column, row] = [i % COLUMNS, Math.floor(i / COLUMNS)];
      button.style.left = `${(100 * (GAP + column * (side + GAP))) / width}%`;
      button.style.top = `${(100 * (GAP + row * (tall + GAP))) / height}%`;
      button.style.width = `${(100 * side) / width}%`;
      button.style.height = `${(100 * tall) / height}%`;
      button.addEventListener("click", () => show(grid, i));
      button.addEventListener("keydown", (event) => move(event, grid, i));
      cells.append(button);
      return button;
    });
    const grid = { part, exhibit, picture, buttons, side, tall, of: figure.dataset.part };
    grids.push(grid);
  }

  const shown = (grid) => grid.buttons.flatMap((button, i) => (button.disabled ? [] : [i]));

  function choose(grid, i) {
    grid.buttons.forEach((button, j) => { button.tabIndex = i === j ? 0 : -1; });
    grid.buttons[i].focus();
  }

  function move(event, grid, i) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
    const left = shown(grid);
    let to = { Home: left[0], End: left.at(-1) }[event.key];
    if (step) {
      to = i + step;
      while (grid.buttons[to]?.disabled) to += step;
    }
    if (to === undefined) return;
    event.preventDefault();
    if (grid.buttons[to]) choose(grid, to);
  }

  function show(grid, i) {
    open = { grid, i };
    choose(grid, i);
    const { part, exhibit, picture, side, tall } = grid;
    const look = exhibit.samples[i];
    dialog.querySelector("h3").textContent = `Sample ${i + 1} of ${exhibit.label} on ${part.title}`;
    const own = dialog.querySelector("canvas.own");
    [own.width, own.height] = [side, tall];
    const [column, row] = [i % COLUMNS, Math.floor(i / COLUMNS)];
    const from = [GAP + column * (side + GAP), GAP + row * (tall + GAP)];
    own.getContext("2d").drawImage(picture, ...from, side, tall, 0, 0, side, tall);
    const nearest = dialog.querySelector(".nearest");
    nearest.hidden = !exhibit.nearest;
    if (exhibit.nearest) cut(exhibit.nearest, i, nearest.querySelector("canvas"));
    const lines = [wanted(part, look), classifier(part, look), distance(exhibit, look)].filter(Boolean);
    dialog.querySelector(".said").replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    if (!dialog.open) dialog.showModal();
  }

  const wanted = (part, look) => (look.wanted === null ? "" : `The model was asked for ${className(part, look.wanted)}.`);

  function classifier(part, look) {
    if (look.class === null) return "";
    const sure = `The classifier takes it for ${className(part, look.class)} and is ${percent(look.certainty)} certain`;
    return look.ambiguous ? `${sure}: below 90 % a sample counts as ambiguous.` : `${sure}.`;
  }

  function distance(exhibit, look) {
    if (!exhibit.nearest) return `${exhibit.unseen}: there is none to show beside it.`;
    if (exhibit.measured === "pixels") return "The training image is the nearest in pixels.";
    const where = `in ${exhibit.measured} features, in which the score of near duplicates is counted`;
    if (look.ratio === null) return `It is no copy of this training image (${where}).`;
    const far = `It lies ${look.ratio.toFixed(2)} times as far from this training image as that lies from the nearest other one (${where})`;
    return look.copy ? `${far}: half as far or less counts as a near duplicate.` : `${far}. Half as far or less would count as a near duplicate.`;
  }

  function turn(step) {
    const left = shown(open.grid);
    show(open.grid, left[(left.indexOf(open.i) + step + left.length) % left.length]);
  }

  function filter(bar) {
    const [chosen, doubtful] = [bar.querySelector("select").value, bar.querySelector("input").checked];
    const counts = grids.filter((grid) => grid.of === bar.dataset.part).map((grid) => {
      grid.exhibit.samples.forEach((look, i) => {
        const fits = (chosen === "" || String(look.class) === chosen) && (!doubtful || look.ambiguous);
        grid.buttons[i].disabled = !fits;
      });
      const left = shown(grid);
      grid.buttons.forEach((button, i) => { button.tabIndex = i === left[0] ? 0 : -1; });
      if (grid.exhibit.samples.every((look) => look.class === null)) return `${grid.exhibit.label}: not looked at`;
      return `${grid.exhibit.label}: ${left.length} of ${grid.buttons.length}`;
    });
    bar.querySelector("output").textContent = counts.join("; ");
  }

  document.querySelectorAll("figure.samples").forEach(makeGrid);
  for (const bar of document.querySelectorAll(".filter")) {
    bar.hidden = false;
    bar.addEventListener("change", () => filter(bar));
    filter(bar);
  }
  dialog.querySelector(".previous").addEventListener("click", () => turn(-1));
  dialog.querySelector(".next").addEventListener("click", () => turn(1));
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) turn(step);
  });
  dialog.addEventListener("close", () => open.grid.buttons[open.i].focus());
}
