// Key clips as rows of labels.csv: where they begin and end, and every edit of them.

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** One past the last frame of a key clip; without a count it goes on to the end of the video. */
const endOf = (row, total) => (row.frames === null ? total : row.first_frame + row.frames);

/** The frame that represents a key clip. */
const keyFrameOf = (row) => row.narrowest_frame ?? row.first_frame;

const holds = (row, frame, total) => row.first_frame <= frame && frame < endOf(row, total);

const spanWords = (row, total) => `frames ${row.first_frame} to ${endOf(row, total) - 1}`;
const boxWords = ({ box }) => (box.length ? `box ${box[0]}, ${box[1]} to ${box[2]}, ${box[3]}` : "whole frames");
const narrowestWords = ({ narrowest_frame: frame }) => (frame === null ? "narrowest not marked" : `narrowest ${frame}`);

/** So many frames with this one in the middle (the later of two), shifted at the ends. */
const around = (frame, frames, total) => ({ first_frame: clamp(frame - (frames >> 1), 0, total - frames), frames });

/** Another first frame; the narrowest stays inside. */
function shifted(row, first, total) {
  const frames = endOf(row, total) - row.first_frame;
  const narrowest = row.narrowest_frame;
  const [least, most] = narrowest === null ? [0, total] : [narrowest - frames + 1, narrowest];
  return { ...row, first_frame: clamp(first, Math.max(0, least), Math.min(most, total - frames)), frames };
}

/** The edits of a picker's rows, with undo; `draw` is called after each. */
function rowEditor(desk, draw) {
  const { frames: total, lengths, split } = desk.get("facts");
  const past = [];
  let preferred = null; // of several rows that hold the frame on show, the one last edited or visited

  const current = () => {
    const [rows, frame] = desk.values("rows", "frame");
    const holders = [...rows.keys()].filter((at) => holds(rows[at], frame, total));
    const at = holders.find((which) => same(rows[which], preferred)) ?? holders[0] ?? -1;
    return { at, row: rows[at] ?? null };
  };
  const write = (values) => {
    for (const [name, value] of Object.entries({ ...values, saved: "" })) desk.model.set(name, value);
    desk.model.save_changes();
    draw(); // at once: the next key may come before the next refresh
  };
  const edit = (values) => {
    const before = Object.fromEntries(["rows", "box", "frame"].map((name) => [name, desk.get(name)]));
    if (Object.entries(values).every(([name, value]) => same(value, before[name]))) return;
    past.push(before);
    write(values);
  };
  /** Change a row, or add one, and keep all in the order of the video. */
  const store = (row, at = desk.get("rows").length, more = {}) => {
    const rows = [...desk.get("rows")];
    rows[at] = preferred = row;
    rows.sort((one, other) => one.first_frame - other.first_frame || keyFrameOf(one) - keyFrameOf(other));
    edit({ rows, ...more });
  };
  const create = (span) => store({ grade: "", split, narrowest_frame: null, box: desk.get("box"), ...span });
  const change = (make) => {
    const { at, row } = current();
    if (row) store(make(row), at);
  };
  const length = () => {
    const frames = current().row?.frames;
    return lengths.includes(frames) ? frames : desk.get("length");
  };
  /** The narrowest frame is the one on show: of the key clip that holds it, else of a new one. */
  const mark = () => {
    const [{ at, row }, frame] = [current(), desk.get("frame")];
    const span = { ...around(frame, length(), total), narrowest_frame: frame };
    row ? store({ ...row, ...span }, at) : create(span);
  };
  /** A key clip around the frame on show, without a narrowest frame. */
  const add = () => {
    const span = around(desk.get("frame"), desk.get("length"), total);
    const twin = desk.get("rows").find((row) => row.first_frame === span.first_frame && row.frames === span.frames);
    twin ? (preferred = twin) : create(span);
  };
  const resize = (frames) => {
    desk.put("length", frames);
    change((row) => {
      const middle = row.narrowest_frame ?? (row.first_frame + endOf(row, total)) >> 1;
      return { ...row, ...around(middle, frames, total) };
    });
  };
  const setBox = (box) => {
    const { at, row } = current();
    row ? store({ ...row, box }, at, { box }) : edit({ box });
  };
  const remove = (at) => edit({ rows: desk.get("rows").filter((_, other) => other !== at) });
  const visit = (at) => {
    preferred = desk.get("rows")[at];
    desk.put("frame", keyFrameOf(preferred));
  };
  const undo = () => {
    const before = past.pop();
    if (before) write(before);
  };
  return { current, mark, add, change, length, resize, setBox, remove, visit, undo, undoable: () => past.length > 0 };
}
