// Links of our own HTML open their page within this one, as the menu does. Without this they are plain links:
// the page loads anew. A new tab, a middle click and the keyboard's Enter work as with any link.
function opensHere(event) {
  return !event.defaultPrevented && event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
}

export default function ({ setTriggerValue }) {
  const open = (event) => {
    const link = event.target.closest?.("a.pd-door");
    if (!link || !opensHere(event)) return;
    event.preventDefault();
    setTriggerValue("opened", link.getAttribute("href"));
  };
  document.addEventListener("click", open);
  return () => document.removeEventListener("click", open);
}
