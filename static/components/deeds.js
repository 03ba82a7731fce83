// What somebody does in a list, in the order they did it. Streamlit keeps only the newest value that a component
// sent while the page was being run, so each message holds everything that the desk has not yet said it heard;
// what it heard before it passes over. One message is under way at a time, so that answers are seen in between.
const AGAIN_AFTER = 8000;

// ``heard`` is the number of the last deed that the desk did. ``tell`` is for another one, ``waits`` knows whether
// one of a kind is still to be heard, and ``rest`` ends the repeating when the list goes.
export function deeds(root, heard, send) {
  const queue = (root.deskDeeds ??= { told: heard, sent: heard, waiting: [], patience: AGAIN_AFTER });
  queue.waiting = queue.waiting.filter(([number]) => number > heard);
  const rest = () => clearTimeout(queue.timer);
  const repeat = () => {
    rest();
    queue.timer = setTimeout(pass, queue.patience); // a connection may have been lost
  };
  const pass = () => {
    if (queue.sent === queue.told) queue.patience *= 2;
    else [queue.sent, queue.patience] = [queue.told, AGAIN_AFTER];
    send(queue.waiting);
    repeat();
  };
  if (!queue.waiting.length) rest();
  else if (queue.sent <= heard) pass();
  else repeat();
  return {
    tell(what) {
      queue.waiting.push([++queue.told, what]);
      if (queue.waiting.length === 1) pass();
    },
    waits: (kind) => queue.waiting.some(([, what]) => kind.test(what)),
    rest,
  };
}
