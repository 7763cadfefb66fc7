// Explorers: the image between the nearest decoded ones, mixed by distance; on a plane with the test images in it.
{
  // To be told apart on the dark plane; the marks differ as well.
  const COLOURS = ["#8ecbff", "#ffb366", "#7ee787", "#ff8a80", "#d2a8ff", "#f5d76e", "#ff9bd2", "#a5b0ff", "#5ee0d0", "#e6edf3"];
  const CLOSE = 14; // pixels from a test image within which it is shown
  const SEGMENT = 1500; // milliseconds from one pin to the next
  const MOST_PINS = 9;
  const between = (value, low, high) => Math.max(low, Math.min(high, value));

  // Short names of classes are their marks, longer ones get letters.
  function marksOf(classes) {
    const short = classes.every((name) => name.length <= 2);
    return classes.map((name, i) => (short ? name : i < 26 ? String.fromCharCode(65 + i) : String(i)));
  }

  function mixer(facts, sprite, canvas) {
    [canvas.width, canvas.height] = [facts.width, facts.height];
    const pen = canvas.getContext("2d");
    return (parts) => {
      pen.globalAlpha = 1;
      pen.globalCompositeOperation = "source-over";
      pen.fillStyle = "#000";
      pen.fillRect(0, 0, facts.width, facts.height);
      pen.globalCompositeOperation = "lighter";
      for (const [frame, weight] of parts.filter(([, share]) => share > 1e-6)) {
        pen.globalAlpha = weight;
        const [column, row] = [frame % facts.columns, Math.floor(frame / facts.columns)];
        const [w, h] = [facts.width, facts.height];
        pen.drawImage(sprite, column * w, row * h, w, h, 0, 0, w, h);
      }
    };
  }

  function walk(element, facts, sprite) {
    const [slider, said, view] = ["input", "output", "canvas"].map((name) => element.querySelector(name));
    const mix = mixer(facts, sprite, view);
    function draw() {
      const at = Number(slider.value) * (facts.count - 1);
      const left = Math.min(Math.floor(at), facts.count - 2);
      mix([[left, left + 1 - at], [left + 1, at - left]]);
      said.textContent = `${Math.round(100 * slider.value)} % of the way from the first sample to the second`;
      view.setAttribute("aria-label", `decoded image, ${said.textContent}`);
    }
    slider.addEventListener("input", draw);
    draw();
  }

  function plane(element, part, facts, sprite) {
    const find = (selector) => element.querySelector(selector);
    const [map, xs, ys, along, play] = ["canvas.map", ".x", ".y", ".along", ".play"].map(find);
    const { reach, columns } = facts;
    const points = facts.points.map((point) => point.map((value) => value ?? Infinity)); // where a model has no number
    const rows = facts.count / columns;
    const marks = marksOf(part.classes);
    const labels = points.length ? part.shown.labels : [];
    const mix = mixer(facts, sprite, find("canvas.view"));
    const backdrop = document.createElement("canvas");
    const pins = [];
    let running = 0; // the animation's frame

    // Where a point is decoded, in images from the left and from the top: the outermost images lie at the plane's edge.
    const column = (x) => ((x + reach) / (2 * reach)) * (columns - 1);
    const row = (y) => ((reach - y) / (2 * reach)) * (rows - 1);
    const place = ([x, y]) => [((column(x) + 0.5) / columns) * map.width, ((row(y) + 0.5) / rows) * map.height];
    const here = () => [Number(xs.value), Number(ys.value)];

    function decode([x, y], draw) {
      const [across, down] = [column(x), row(y)];
      const [left, top] = [Math.min(Math.floor(across), columns - 2), Math.min(Math.floor(down), rows - 2)];
      draw([[0, 0], [1, 0], [0, 1], [1, 1]].map(([dx, dy]) => [
        (top + dy) * columns + left + dx, (1 - Math.abs(across - left - dx)) * (1 - Math.abs(down - top - dy)),
      ]));
    }

    function prepare() {
      const scale = window.devicePixelRatio || 1;
      map.width = map.height = Math.max(1, Math.round(map.clientWidth * scale));
      [backdrop.width, backdrop.height] = [map.width, map.height];
      const pen = backdrop.getContext("2d");
      pen.fillStyle = "#10141a";
      pen.fillRect(0, 0, map.width, map.height);
      pen.globalAlpha = points.length ? 0.35 : 1;
      pen.drawImage(sprite, 0, 0, columns * facts.width, rows * facts.height, 0, 0, map.width, map.height);
      pen.globalAlpha = 1;
      pen.font = `bold ${Math.round(between(map.clientWidth / 48, 9, 14) * scale)}px system-ui, sans-serif`;
      [pen.textAlign, pen.textBaseline, pen.lineWidth, pen.strokeStyle] = ["center", "middle", 3 * scale, "#10141a"];
      points.forEach((point, i) => {
        const [x, y] = place(point);
        const mark = marks[labels[i]] ?? "●";
        pen.strokeText(mark, x, y);
        pen.fillStyle = COLOURS[(labels[i] ?? 0) % COLOURS.length];
        pen.fillText(mark, x, y);
      });
    }

    function ring(pen, [x, y], radius, text) {
      for (const [colour, width] of [["#10141a", 6], ["#ffffff", 3]]) {
        [pen.strokeStyle, pen.lineWidth] = [colour, width * (window.devicePixelRatio || 1)];
        pen.beginPath();
        pen.arc(x, y, radius, 0, 2 * Math.PI);
        pen.stroke();
      }
      if (!text) return;
      pen.fillStyle = "#ffffff";
      pen.fill();
      [pen.fillStyle, pen.textAlign, pen.textBaseline] = ["#10141a", "center", "middle"];
      pen.font = `bold ${Math.round(1.4 * radius)}px system-ui, sans-serif`;
      pen.fillText(text, x, y);
    }

    function draw() {
      const scale = window.devicePixelRatio || 1;
      const pen = map.getContext("2d");
      pen.drawImage(backdrop, 0, 0);
      if (pins.length > 1) {
        [pen.strokeStyle, pen.lineWidth] = ["#ffffff", 2 * scale];
        pen.beginPath();
        pins.forEach((pin) => pen.lineTo(...place(pin)));
        pen.stroke();
      }
      pins.forEach((pin, i) => ring(pen, place(pin), 9 * scale, String(i + 1)));
      ring(pen, place(here()), 12 * scale);
      decode(here(), mix);
      const said = `z = (${here()[0].toFixed(2)}, ${here()[1].toFixed(2)})`;
      find("output").textContent = said;
      find("canvas.view").setAttribute("aria-label", `decoded image, ${said}`);
      preview();
    }

    // The test image under the cursor, if one is close.
    function preview() {
      const figure = find("figure.close");
      if (!figure) return;
      const [x, y] = place(here());
      const far = points.map((point) => Math.hypot(place(point)[0] - x, place(point)[1] - y));
      const nearest = far.indexOf(Math.min(...far));
      const close = far[nearest] <= CLOSE * (window.devicePixelRatio || 1);
      const name = part.classes[labels[nearest]];
      const text = close ? `test image here${name === undefined ? "" : `: ${name}`}` : "no test image here";
      figure.querySelector("figcaption").textContent = text;
      const canvas = figure.querySelector("canvas");
      canvas.setAttribute("aria-label", text);
      if (close) cut(part.shown, nearest, canvas);
      else wipe(part.shown, canvas);
    }

    function go(x, y) {
      [xs.value, ys.value] = [between(x, -reach, reach), between(y, -reach, reach)];
      draw();
    }

    function follow(event) {
      if (running) return;
      const box = map.getBoundingClientRect();
      const [across, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      go(((across * columns - 0.5) / (columns - 1)) * 2 * reach - reach, reach - ((down * rows - 0.5) / (rows - 1)) * 2 * reach);
    }

    function pinned() {
      const items = pins.map((pin, i) => {
        const [item, canvas, button] = ["li", "canvas", "button"].map((name) => document.createElement(name));
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `decoded at pin ${i + 1}`);
        decode(pin, mixer(facts, sprite, canvas));
        Object.assign(button, { type: "button", textContent: `remove ${i + 1}` });
        button.addEventListener("click", () => { pins.splice(i, 1); pinned(); find(".pin").focus(); });
        item.append(canvas, button);
        return item;
      });
      find(".pins").replaceChildren(...items);
      stop();
      play.disabled = along.disabled = pins.length < 2;
      find(".pin").disabled = pins.length >= MOST_PINS;
      along.value = 0;
      draw();
    }

    function pin() {
      if (pins.length < MOST_PINS) pins.push(here());
      pinned();
    }

    function travel(share) {
      along.value = share;
      const at = share * (pins.length - 1);
      const left = Math.min(Math.floor(at), pins.length - 2);
      const [[ax, ay], [bx, by]] = [pins[left], pins[left + 1]];
      go(ax + (at - left) * (bx - ax), ay + (at - left) * (by - ay));
    }

    function stop() {
      cancelAnimationFrame(running);
      running = 0;
      play.textContent = still.matches ? "To the next pin" : "Play the path";
    }

    function start() {
      if (running) return stop();
      const steps = pins.length - 1;
      const from = Number(along.value) >= 1 ? 0 : Number(along.value);
      if (still.matches) return travel(Number(along.value) >= 1 ? 0 : (Math.floor(from * steps + 0.01) + 1) / steps);
      const began = performance.now() - from * steps * SEGMENT;
      const next = (now) => {
        const share = between((now - began) / (steps * SEGMENT), 0, 1);
        travel(share);
        if (share < 1) running = requestAnimationFrame(next);
        else stop();
      };
      running = requestAnimationFrame(next);
      play.textContent = "Stop";
      return undefined;
    }

    function key(event) {
      const step = (event.shiftKey ? 10 : 1) * 0.05;
      const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
      if (by) go(here()[0] + by[0], here()[1] + by[1]);
      else if (event.key === "Enter" || event.key === " ") pin();
      else if (event.key === "Delete" || event.key === "Backspace") { pins.pop(); pinned(); }
      else return;
      event.preventDefault();
    }

    for (const slider of [xs, ys]) slider.addEventListener("input", draw);
    map.addEventListener("pointermove", follow);
    map.addEventListener("click", (event) => { stop(); follow(event); pin(); });
    map.addEventListener("keydown", key);
    find(".pin").addEventListener("click", pin);
    play.addEventListener("click", start);
    along.addEventListener("input", () => { stop(); travel(Number(along.value)); });
    new ResizeObserver(() => { prepare(); draw(); }).observe(map);
    stop();
    explain();

    function explain() {
      const shown = [...new Set(labels)].sort((a, b) => a - b);
      find(".legend").replaceChildren(...shown.map((label) => {
        const [item, mark] = [document.createElement("li"), document.createElement("span")];
        mark.textContent = marks[label];
        mark.style.color = COLOURS[label % COLOURS.length];
        item.append(mark, marks[label] === part.classes[label] ? "" : part.classes[label]);
        return item;
      }));
      find(".legend").hidden = !shown.length;
      const out = points.filter(([x, y]) => Math.max(Math.abs(x), Math.abs(y)) > reach * (columns / (columns - 1))).length;
      find(".outside").textContent = points.length ? `${points.length} test images are shown${out ? `; ${out} of them lie outside` : ""}.` : "";
    }
  }

  for (const element of document.querySelectorAll(".explorer")) {
    element.hidden = false;
    const part = interaction.parts[element.dataset.part];
    const facts = part.exhibits[element.dataset.exhibit].explorer;
    load(facts).then((sprite) => (facts.kind === "plane" ? plane(element, part, facts, sprite) : walk(element, facts, sprite)));
  }
}
