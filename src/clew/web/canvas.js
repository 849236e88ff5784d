// Canvas that draws a maze and the values learned in it, and edits the maze with mouse, finger or keyboard.
//
// Frames are fetched by HTTP, each after the last was drawn: a slow browser fetches fewer, and learning never waits.
// A frame is the length of a header in four bytes, the header as JSON, and arrays with one byte per cell; see frames.py.
// This file decides only how large a cell is, and which details are drawn at that size.

const [WALL_DOWN, WALL_RIGHT, GOAL, HAZARD, BLOCKED] = [1, 8, 16, 32, 64]; // bits of a cell, as in kernels/dynamics.py
const MOVES = [[1, 0], [0, -1], [-1, 0], [0, 1], [1, -1], [-1, -1], [-1, 1], [1, 1]]; // (row, column) by action
const [FRAME_MS, LARGE_FRAME_MS, LARGE] = [31, 58, 65536]; // minimum per frame, to leave time for learning; cells of a large maze
const [TRIANGLES, NUMBERS] = [24, 60]; // pixels of a cell from which action values are drawn, and written
const FLASH_MS = 400; // between two flashes: more than three in a second are harmful to some people
const IDLE_MS = 250; // until the next request, if the frame has not changed
const KEYS = { ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowRight: [0, 1] };

function parse(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  for (const [name, length] of frame.arrays) {
    frame[name] = new Uint8Array(buffer, at, length);
    at += length;
  }
  return frame;
}

export default {
  template: `
    <div class="clew-canvas" ref="box">
      <canvas ref="canvas" tabindex="0" role="application" :aria-label="label" aria-roledescription="maze editor"
        data-testid="maze" :style="{ touchAction: tool === 'look' ? 'auto' : 'none' }"></canvas>
      <canvas ref="floor" class="clew-floor" aria-hidden="true"></canvas>
      <div ref="flash" class="clew-flash" aria-hidden="true"></div>
      <div class="clew-note" v-if="tooFine">Walls between cells are too fine to be drawn here.</div>
      <div class="clew-hidden-text" aria-live="polite" ref="announcement"></div>
    </div>`,
  props: { source: String, show: String, colours: Object, ramp: Array, label: String, tool: String },
  data: () => ({ frame: null, cells: null, exits: [], cellRewards: [], maze: 0, cursor: null, drag: null, closed: false, frames: 0, tooFine: false }),
  mounted() {
    this.shadeColours = new Uint32Array(256);
    this.flashedAt = 0;
    this.observer = new ResizeObserver(() => this.layOut());
    this.observer.observe(this.$refs.box);
    const canvas = this.$refs.canvas;
    canvas.addEventListener("pointerdown", (e) => this.press(e));
    canvas.addEventListener("pointermove", (e) => this.move(e));
    canvas.addEventListener("pointerup", () => this.release());
    canvas.addEventListener("pointerleave", () => this.$emit("hover", null));
    canvas.addEventListener("keydown", (e) => this.pressKey(e));
    canvas.addEventListener("blur", () => { this.cursor = null; this.draw(); });
    this.fetchFrames();
  },
  unmounted() {
    this.closed = true;
    this.observer.disconnect();
  },
  watch: {
    colours() { this.staticLayer = null; this.draw(); },
    show() { this.version = -1; },
  },
  methods: {
    // Frames --------------------------------------------------------------------------------------------------------
    async fetchFrames() {
      while (!this.closed) {
        let wait = IDLE_MS;
        const began = performance.now();
        try {
          const query = `?show=${this.show}&maze=${this.maze}&version=${this.version ?? -1}&arrows=${this.hasRoom()}`;
          const answer = await fetch((window.path_prefix ?? "") + this.source + query);
          if (answer.status === 200) {
            this.receive(parse(await answer.arrayBuffer()));
            wait = Math.max(1, (this.cells.length > LARGE ? LARGE_FRAME_MS : FRAME_MS) - (performance.now() - began));
          }
        } catch (error) {
          if (this.closed) return;
        }
        await new Promise((done) => setTimeout(done, wait));
        if (document.hidden) await new Promise((done) => requestAnimationFrame(done)); // hidden pages get no animation frames
      }
    },
    receive(frame) {
      this.version = frame.version;
      if (frame.cells) {
        const resized = !this.frame || this.frame.rows !== frame.rows || this.frame.columns !== frame.columns;
        [this.cells, this.maze, this.staticLayer] = [frame.cells, frame.maze, null];
        [this.exits, this.cellRewards] = [frame.exits, frame.cell_rewards]; // lists of [cell, text]
        this.frame = frame;
        if (resized) this.layOut();
      }
      this.frame = frame;
      this.draw();
      this.frames += 1;
      this.$refs.canvas.dataset.frames = this.frames;
      this.$refs.canvas.dataset.episodes = frame.episodes;
      this.$refs.canvas.dataset.pathLength = frame.greedy_path.length;
      this.$refs.canvas.dataset.path = frame.greedy_path.slice(0, 200).join();
      this.$refs.canvas.dataset.maze = frame.maze;
      this.$refs.canvas.dataset.updated = frame.updated ?? "";
    },
    // Drawing -------------------------------------------------------------------------------------------------------
    hasRoom() {
      return !this.scale || this.scale >= 14; // for arrows
    },
    layOut() {
      if (!this.frame) return;
      const { rows, columns } = this.frame, canvas = this.$refs.canvas, dense = window.devicePixelRatio || 1;
      const width = this.$refs.box.clientWidth, height = Math.min(window.innerHeight * 0.78, width * 1.2);
      let scale = Math.min(width / columns, height / rows);
      if (scale >= 4) scale = Math.floor(scale);
      for (const each of [canvas, this.$refs.floor]) {
        [each.style.width, each.style.height] = [`${scale * columns}px`, `${scale * rows}px`];
      }
      [canvas.width, canvas.height] = [Math.round(scale * columns * dense), Math.round(scale * rows * dense)];
      [this.scale, this.dense] = [canvas.width / columns, dense];
      // Factor on the width of lines: larger where cells are small, smaller where they are large.
      this.thick = Math.max(1, 14 / this.scale) * Math.min(1, (60 * dense) / this.scale);
      this.staticLayer = null;
      this.draw();
    },
    // The floor has one pixel per cell, which the browser enlarges; the layer over it is redrawn only when it changes.
    draw() {
      if (!this.frame || !this.cells || !this.scale) return;
      this.paintFloor();
      const { greedy_path: path, optimal_path: optimal, seeker, updated, arrows, triangles, steps, episodes } = this.frame;
      const isSplit = triangles && this.scale >= TRIANGLES * this.dense, moment = updated !== null || isSplit ? [steps, episodes] : "";
      const overlay = [this.maze, path.join(), seeker, updated, moment, isSplit, this.cursor, this.hasRoom() && arrows].join(";");
      if (overlay === this.overlay && this.staticLayer) return;
      this.overlay = overlay;
      const canvas = this.$refs.canvas, c = canvas.getContext("2d");
      if (!this.staticLayer) this.drawStaticLayer();
      c.clearRect(0, 0, canvas.width, canvas.height);
      if (isSplit) this.drawTriangles(c);
      c.drawImage(this.staticLayer, 0, 0);
      c.save();
      c.scale(this.scale, this.scale);
      if (this.hasRoom() && arrows && !isSplit) this.drawArrows(c);
      this.drawPath(c, path, this.colours.path, isSplit ? 0.06 : 0.15, []); // narrow beside numbers
      c.translate(0.13 * this.thick, 0.13 * this.thick); // beside the greedy path where both have the same cells
      this.drawPath(c, optimal, this.colours.optimum, 0.08, [0.28, 0.22]);
      c.translate(-0.13 * this.thick, -0.13 * this.thick);
      if (isSplit) this.drawNumbers(c);
      this.drawEnds(c);
      c.restore();
      if (updated !== null) this.markUpdate(updated, steps);
    },
    // The cell whose value has changed has a frame, and flashes once a step, unless the visitor wants no motion.
    markUpdate(cell, steps) {
      const canvas = this.$refs.canvas, c = canvas.getContext("2d"), { columns } = this.frame;
      const [x, y] = [(cell % columns) * this.scale, Math.floor(cell / columns) * this.scale], width = Math.max(2, Math.min(0.09 * this.scale, 8));
      [c.strokeStyle, c.lineWidth] = [this.colours.optimum, width];
      c.strokeRect(x + width / 2, y + width / 2, this.scale - width, this.scale - width);
      if (this.flashed === steps || performance.now() - this.flashedAt < FLASH_MS) return;
      [this.flashed, this.flashedAt] = [steps, performance.now()];
      const flash = this.$refs.flash, dense = canvas.width / canvas.clientWidth, side = `${this.scale / dense}px`;
      Object.assign(flash.style, { left: `${canvas.offsetLeft + x / dense}px`, top: `${y / dense}px`, width: side, height: side });
      flash.getAnimations().forEach((each) => each.cancel());
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) flash.animate([{ opacity: 0.9 }, { opacity: 0 }], 450);
    },
    paintFloor() {
      const { rows, columns, shades } = this.frame, n = rows * columns, floor = this.$refs.floor;
      if (!this.pixels || floor.width !== columns || floor.height !== rows) {
        [floor.width, floor.height] = [columns, rows];
        this.pixels = new ImageData(columns, rows);
      }
      if (this.paintedColours !== this.colours) {
        const rgba = (css) => {
          const [r, g, b] = [1, 3, 5].map((i) => parseInt(css.slice(i, i + 2), 16));
          return (255 << 24) | (b << 16) | (g << 8) | r;
        };
        this.ramp.forEach((css, i) => (this.shadeColours[i + 1] = rgba(css)));
        this.shadeColours[0] = rgba(this.colours.paper);
        this.cellColours = ["ink", "goal", "hazard", "loss"].map((name) => rgba(this.colours[name]));
        this.paintedColours = this.colours;
      }
      const out = new Uint32Array(this.pixels.data.buffer), cells = this.cells, shadeColours = this.shadeColours;
      const [ink, goal, hazard, loss] = this.cellColours, other = BLOCKED | GOAL | HAZARD;
      for (let i = 0; i < n; i++) {
        const cell = cells[i];
        out[i] = !(cell & other) ? shadeColours[shades[i]] : cell & BLOCKED ? ink : cell & GOAL ? goal : hazard;
      }
      for (const [cell, text] of this.exits) if (text.startsWith("-")) out[cell] = loss;
      floor.getContext("2d").putImageData(this.pixels, 0, 0);
    },
    // The layer that changes only with the maze: a fine grid, stripes of hazards, walls between cells, the edge.
    drawStaticLayer() {
      const { rows, columns } = this.frame, canvas = this.$refs.canvas, cells = this.cells;
      this.staticLayer = new OffscreenCanvas(canvas.width, canvas.height);
      const c = this.staticLayer.getContext("2d");
      c.scale(this.scale, this.scale);
      const stroke = (path, colour, width) => { [c.strokeStyle, c.lineWidth] = [colour, width]; c.stroke(path); };
      if (this.scale >= 10) {
        const grid = new Path2D(), stripes = new Path2D();
        for (let r = 1; r < rows; r++) { grid.moveTo(0, r); grid.lineTo(columns, r); }
        for (let k = 1; k < columns; k++) { grid.moveTo(k, 0); grid.lineTo(k, rows); }
        c.globalAlpha = 0.16; // visible on pale and on deep shades
        stroke(grid, this.colours.ink, 0.03);
        c.globalAlpha = 1;
        for (let i = 0; i < cells.length; i++) {
          if (!(cells[i] & HAZARD)) continue;
          const x = i % columns, y = Math.floor(i / columns);
          for (const shift of [0.15, 0.5, 0.85]) {
            stripes.moveTo(x + Math.max(0.1, shift - 0.4), y + Math.min(0.9, shift + 0.4));
            stripes.lineTo(x + Math.min(0.9, shift + 0.4), y + Math.max(0.1, shift - 0.4));
          }
        }
        stroke(stripes, this.colours["hazard stripe"], 0.07);
      }
      const walls = new Path2D();
      this.tooFine = this.scale < 4 && this.hasThinWalls();
      if (this.scale >= 4) {
        for (let i = 0; i < cells.length; i++) {
          if (cells[i] & BLOCKED) continue;
          const x = i % columns, y = Math.floor(i / columns);
          if (cells[i] & WALL_DOWN && y + 1 < rows && !(cells[i + columns] & BLOCKED)) { walls.moveTo(x, y + 1); walls.lineTo(x + 1, y + 1); }
          if (cells[i] & WALL_RIGHT && x + 1 < columns && !(cells[i + 1] & BLOCKED)) { walls.moveTo(x + 1, y); walls.lineTo(x + 1, y + 1); }
        }
      }
      walls.rect(0, 0, columns, rows);
      c.lineCap = "square";
      stroke(walls, this.colours.ink, Math.max(Math.min(0.12, 8 / this.scale), 1.5 / this.scale));
    },
    hasThinWalls() {
      const { columns } = this.frame, cells = this.cells, n = cells.length;
      for (let i = 0; i < n; i++) {
        if (cells[i] & BLOCKED) continue;
        if (cells[i] & WALL_DOWN && i + columns < n && !(cells[i + columns] & BLOCKED)) return true;
        if (cells[i] & WALL_RIGHT && (i + 1) % columns && !(cells[i + 1] & BLOCKED)) return true;
      }
      return false;
    },
    // Four triangles a cell, each with the shade of the action that leads to its side.
    drawTriangles(c) {
      const { columns, triangles } = this.frame, side = this.scale;
      const corners = [[[0, 1], [1, 1]], [[0, 0], [0, 1]], [[0, 0], [1, 0]], [[1, 0], [1, 1]]]; // by action, as in MOVES
      [c.strokeStyle, c.lineWidth] = [this.colours.paper, 0.01 * side];
      for (let i = 0; i < triangles.length; i++) {
        if (!triangles[i]) continue;
        const cell = i >> 2, action = i & 3, x = (cell % columns) * side, y = Math.floor(cell / columns) * side;
        const [[ax, ay], [bx, by]] = corners[action];
        c.beginPath();
        c.moveTo(x + ax * side, y + ay * side);
        c.lineTo(x + bx * side, y + by * side);
        c.lineTo(x + 0.5 * side, y + 0.5 * side);
        c.closePath();
        c.fillStyle = this.ramp[triangles[i] - 1];
        c.fill();
        c.stroke();
      }
    },
    // The value of each action in its triangle, where cells are large.
    drawNumbers(c) {
      const { columns, numbers } = this.frame;
      if (!numbers || this.scale < NUMBERS * this.dense) return;
      for (let action = 0; action < 4; action++) {
        const [dy, dx] = MOVES[action], texts = [];
        for (let i = action; i < numbers.length; i += 4) if (numbers[i]) texts.push([i >> 2, numbers[i]]);
        this.drawTexts(c, texts, 0.5 + 0.38 * dy, 0.13, this.colours.arrow, 0.5 + 0.3 * dx, 0.6);
      }
    },
    drawArrows(c) {
      const { columns, arrows } = this.frame, path = new Path2D();
      for (let i = 0; i < arrows.length; i++) {
        if (!arrows[i]) continue;
        const x = (i % columns) + 0.5, y = Math.floor(i / columns) + 0.5;
        for (let action = 0; action < 8; action++) {
          if (!((arrows[i] >> action) & 1)) continue;
          const [dy, dx] = MOVES[action], [tipX, tipY] = [x + 0.36 * dx, y + 0.36 * dy];
          path.moveTo(x + 0.08 * dx, y + 0.08 * dy);
          path.lineTo(tipX, tipY);
          path.moveTo(tipX - 0.1 * (dx + dy), tipY - 0.1 * (dy - dx));
          path.lineTo(tipX, tipY);
          path.lineTo(tipX - 0.1 * (dx - dy), tipY - 0.1 * (dy + dx));
        }
      }
      [c.strokeStyle, c.lineWidth, c.globalAlpha] = [this.colours["arrow"], 0.05, 0.75];
      c.stroke(path);
      c.globalAlpha = 1;
    },
    drawPath(c, cells, colour, width, dash) {
      if (cells.length < 2) return;
      const { columns } = this.frame, path = new Path2D(), thick = this.thick;
      cells.forEach((cell, i) => path[i ? "lineTo" : "moveTo"]((cell % columns) + 0.5, Math.floor(cell / columns) + 0.5));
      [c.lineJoin, c.lineCap] = ["round", "round"];
      [c.strokeStyle, c.lineWidth] = [this.colours.paper, 2 * width * thick];
      if (!dash.length) c.stroke(path);
      c.setLineDash(dash.map((each) => each * thick));
      [c.strokeStyle, c.lineWidth] = [colour, width * thick];
      c.stroke(path);
      c.setLineDash([]);
    },
    drawEnds(c) {
      const { columns, start, seeker } = this.frame, thick = this.thick;
      const disc = (cell, radius, fill, edge) => {
        c.beginPath();
        c.arc((cell % columns) + 0.5, Math.floor(cell / columns) + 0.5, radius * thick, 0, 2 * Math.PI);
        [c.fillStyle, c.strokeStyle, c.lineWidth] = [fill, edge, 0.08 * thick];
        c.fill();
        c.stroke();
      };
      if (this.goalsOf !== this.cells) {
        [this.goalsOf, this.goals] = [this.cells, []];
        const exits = new Set(this.scale >= 14 ? this.exits.map(([cell]) => cell) : []); // their rewards are written instead
        this.cells.forEach((cell, i) => { if (cell & GOAL && !exits.has(i)) this.goals.push(i); });
      }
      for (const goal of this.goals.slice(0, 200)) { disc(goal, 0.32, this.colours.goal, this.colours.paper); disc(goal, 0.13, this.colours.paper, this.colours.goal); }
      if (this.scale >= 14) {
        this.drawTexts(c, this.exits, 0.5, 0.34, this.colours.paper);
        this.drawTexts(c, this.cellRewards, 0.84, 0.2, this.colours.arrow);
      }
      if (start !== null) disc(start, 0.33, this.colours.path, this.colours.paper);
      if (seeker !== null) { disc(seeker, 0.36, this.colours.paper, this.colours.path); disc(seeker, 0.2, this.colours.path, this.colours.path); }
      if (this.cursor) {
        [c.strokeStyle, c.lineWidth] = [this.colours.focus, Math.max(0.12, 3 / this.scale)];
        c.strokeRect(this.cursor[1], this.cursor[0], 1, 1);
      }
    },
    drawTexts(c, pairs, y, size, colour, x = 0.5, room = 1.25) {
      const { columns } = this.frame;
      [c.fillStyle, c.textAlign, c.textBaseline] = [colour, "center", "middle"];
      for (const [cell, text] of pairs) {
        c.save(); // in pixels: fonts of less than a pixel are not drawn
        c.translate((cell % columns) + x, Math.floor(cell / columns) + y);
        c.scale(1 / this.scale, 1 / this.scale);
        c.font = `600 ${this.scale * Math.min(size, room / text.length)}px system-ui, sans-serif`;
        c.fillText(text, 0, 0);
        c.restore();
      }
    },
    // Painting ------------------------------------------------------------------------------------------------------
    place(event) {
      const box = this.$refs.canvas.getBoundingClientRect(), { rows, columns } = this.frame;
      const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
      const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
      return [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
    },
    press(event) {
      if (!this.frame || this.tool === "look") return;
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.drag = [this.place(event)];
    },
    move(event) {
      if (!this.frame) return;
      const place = this.place(event);
      const key = place.join();
      if (key !== this.hovered) {
        this.hovered = key;
        this.$emit("hover", place);
      }
      if (this.drag) this.drag.push(...this.between(this.drag[this.drag.length - 1], place));
    },
    between([row, column], [toRow, toColumn]) {
      // The pointer may skip cells between two events; these are painted too.
      const n = Math.max(Math.abs(toRow - row), Math.abs(toColumn - column)), places = [];
      for (let i = 1; i <= n; i++) places.push([Math.round(row + ((toRow - row) * i) / n), Math.round(column + ((toColumn - column) * i) / n)]);
      return places;
    },
    release() {
      if (this.drag) this.$emit("paint", this.drag);
      this.drag = null;
    },
    pressKey(event) {
      if (!this.frame) return;
      const step = KEYS[event.key], { rows, columns } = this.frame;
      if (step) {
        const [row, column] = this.cursor ?? [0, 0];
        this.cursor = this.cursor ? [Math.min(rows - 1, Math.max(0, row + step[0])), Math.min(columns - 1, Math.max(0, column + step[1]))] : [0, 0];
        this.$emit("hover", this.cursor);
        const at = this.cursor[0] * columns + this.cursor[1], cell = this.cells[at];
        const exit = this.exits.find(([each]) => each === at), pays = exit ?? this.cellRewards.find(([each]) => each === at);
        const what = cell & BLOCKED ? "wall" : exit ? "exit" : cell & GOAL ? "goal" : cell & HAZARD ? "hazard" : "free";
        this.$refs.announcement.textContent = `row ${this.cursor[0]}, column ${this.cursor[1]}: ${what}${pays ? `, pays ${pays[1]}` : ""}`;
        this.draw();
      } else if ((event.key === " " || event.key === "Enter") && this.cursor) {
        this.$emit("paint", [this.cursor]);
      } else {
        return;
      }
      event.preventDefault();
    },
  },
};
