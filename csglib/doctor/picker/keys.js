// Keys of the clip picker, wherever the focus is inside of it.

/** What a control does with a key by itself, and then keeps doing. */
function takesItself(element, key) {
  if (element.matches("[type=number]")) return !/^[a-z]$/.test(key) && !key.startsWith("Page");
  if (element.matches("[type=radio]")) return key === " " || key.startsWith("Arrow");
  return element.matches("button, [type=checkbox]") && key === " ";
}

/** Handlers by key; a letter in lower case, "^z" with Control or Command. False: not ours now. */
function hotkeys(desk, handlers) {
  const onKey = (event) => {
    const path = event.composedPath();
    if (event.altKey || !path.includes(desk.root)) return;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const name = event.ctrlKey || event.metaKey ? `^${letter}` : letter;
    if (!Object.hasOwn(handlers, name) || takesItself(path[0], name)) return;
    if (handlers[name]() === false) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook in command mode would add, delete or retitle a cell
  };
  window.addEventListener("keydown", onKey, { capture: true });
  desk.closing.push(() => window.removeEventListener("keydown", onKey, { capture: true }));
}
