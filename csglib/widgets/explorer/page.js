// Below a widget's module, in a page of its own: a model without a kernel, which keeps its traits
// and tells whoever listens. explorer_page.py writes PLAIN and PACKED above this.
{
  const state = { ...PLAIN };
  for (const [name, letters] of Object.entries(PACKED)) {
    const held = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    state[name] = new DataView(held.buffer);
  }
  const heard = {};
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of heard[`change:${name}`] ?? []) listener();
    },
    on: (event, listener) => (heard[event] ??= new Set()).add(listener),
    off: (event, listener) => heard[event].delete(listener),
    save_changes() {},
  };
  render({ model, el: document.querySelector("main") });
}
