// Key clips as rows of labels.csv: where they begin and end, and what an edit makes of them.

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Where a key clip ends, exclusive; one without a count goes on to the end of the video. */
const endOf = (row, total) => (row.frames === null ? total : row.first_frame + row.frames);

/** The frame that stands for a key clip. */
const seatOf = (row) => row.narrowest_frame ?? row.first_frame;

const holds = (row, frame, total) => row.first_frame <= frame && frame < endOf(row, total);

/** So many frames with this one in the middle, the later of two; shifted at the ends. */
const around = (frame, frames, total) => ({
  first_frame: clamp(frame - Math.floor(frames / 2), 0, total - frames), frames,
});

/** Rows in the order of the video, one of them new or changed, and where that stands now. */
function placed(rows, row, at = rows.length) {
  const all = [...rows];
  all[at] = row;
  all.sort((one, other) => one.first_frame - other.first_frame || seatOf(one) - seatOf(other));
  return { rows: all, at: all.indexOf(row) };
}

/** Another first frame; the narrowest stays inside. */
function shifted(row, first, total) {
  const frames = endOf(row, total) - row.first_frame;
  const narrowest = row.narrowest_frame;
  const [least, most] = narrowest === null ? [0, total] : [narrowest - frames + 1, narrowest];
  return { ...row, first_frame: clamp(first, Math.max(0, least), Math.min(most, total - frames)), frames };
}

/** Another count of frames, around the same middle. */
function stretched(row, frames, total) {
  const middle = row.narrowest_frame ?? Math.floor((row.first_frame + endOf(row, total)) / 2);
  return { ...row, ...around(middle, frames, total) };
}

/** The rows of a desk, every edit of them, and the way back; each is drawn before the next key. */
function book(desk, draw) {
  const { frames: total, split } = desk.get("facts");
  const past = [];
  let preferred = null; // of several that hold the frame on show, the one last dealt with

  const current = () => {
    const [rows, frame] = [desk.get("rows"), desk.get("frame")];
    const holders = [...rows.keys()].filter((which) => holds(rows[which], frame, total));
    const at = holders.find((which) => same(rows[which], preferred)) ?? holders[0] ?? -1;
    return { at, row: rows[at] ?? null };
  };
  const write = (values) => {
    for (const [name, value] of Object.entries({ ...values, saved: "" })) desk.model.set(name, value);
    desk.model.save_changes();
    draw();
  };
  const edit = (values) => {
    const before = Object.fromEntries(["rows", "box", "frame"].map((name) => [name, desk.get(name)]));
    if (Object.entries(values).every(([name, value]) => same(value, before[name]))) return;
    past.push(before);
    write(values);
  };
  const store = (row, at, more = {}) => {
    const next = placed(desk.get("rows"), row, at);
    preferred = row;
    edit({ rows: next.rows, ...more });
  };
  const fresh = (span) => ({ grade: "", split, narrowest_frame: null, box: desk.get("box"), ...span });

  /** The narrowest frame is here: of the key clip that holds it, else of a new one. */
  const mark = () => {
    const [{ at, row }, frame] = [current(), desk.get("frame")];
    const span = { ...around(frame, lengthOf(), total), narrowest_frame: frame };
    row ? store({ ...row, ...span }, at) : store(fresh(span));
  };
  /** A key clip around here, of which nobody says where it is narrowest. */
  const add = () => {
    const span = around(desk.get("frame"), desk.get("length"), total);
    const twin = desk.get("rows").find((row) => row.first_frame === span.first_frame && row.frames === span.frames);
    if (twin) preferred = twin;
    else store(fresh(span));
  };
  const change = (make) => {
    const { at, row } = current();
    if (row) store(make(row), at);
  };
  const lengthOf = () => {
    const frames = current().row?.frames;
    return desk.get("facts").lengths.includes(frames) ? frames : desk.get("length");
  };
  const resize = (frames) => {
    desk.put("length", frames);
    change((row) => stretched(row, frames, total));
  };
  const enclose = (box) => {
    const { at, row } = current();
    row ? store({ ...row, box }, at, { box }) : edit({ box });
  };
  const remove = (at) => edit({ rows: desk.get("rows").filter((_, other) => other !== at) });
  const visit = (at) => {
    preferred = desk.get("rows")[at];
    desk.put("frame", seatOf(preferred));
  };
  const undo = () => {
    const before = past.pop();
    if (before) write(before);
  };
  return { current, mark, add, change, lengthOf, resize, enclose, remove, visit, undo, undoable: () => past.length > 0 };
}
