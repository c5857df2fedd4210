// Makes pages live. Every page says the same without it.

const region = (name, root = document) => root.querySelector(`[data-live-region="${name}"]`);

/** Puts the newest form of a region, as the server renders it, in the place of the old one. */
async function renew(name, url = location.href) {
  const response = await fetch(url, { headers: { accept: 'text/html' } });
  if (!response.ok) {
    return;
  }
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const [old, fresh] = [region(name), region(name, page) ?? page.querySelector('main > div')];
  if (old === null || fresh === null) {
    return;
  }
  takeOver(old, fresh);
  if (fresh.dataset.refresh === undefined) {
    delete old.dataset.refresh;
  }
  if (old.innerHTML === fresh.innerHTML) {
    return;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceChildren(...fresh.childNodes);
  document.title = page.title;
  const target = focused?.getAttribute('href');
  if (target) {
    old.querySelector(`a[href="${CSS.escape(target)}"]`)?.focus();
  }
}

/** Gives a fresh region what the reader has made of the old one. */
function takeOver(old, fresh) {
  showCopyButtons(fresh);
  for (const { id } of old.querySelectorAll('details[id][open]')) {
    fresh.querySelector(`#${CSS.escape(id)}`)?.setAttribute('open', '');
  }
}

/** Runs work once at a time; what is asked for meanwhile is done once more afterwards. */
function oneAtATime(work) {
  let [isRunning, isWanted] = [false, false];
  const run = async () => {
    isRunning = true;
    while (isWanted) {
      isWanted = false;
      await work().catch(() => undefined);
    }
    isRunning = false;
  };
  return () => {
    isWanted = true;
    if (!isRunning) {
      void run();
    }
  };
}

function followEvents(element) {
  const refresh = oneAtATime(() => renew(element.dataset.liveRegion));
  const source = new EventSource(element.dataset.events);
  source.addEventListener('message', refresh);
  source.addEventListener('end', () => {
    source.close();
    refresh();
  });
}

/** Until the server does not ask for it any more. */
function refreshRegularly(element) {
  const refresh = oneAtATime(() => renew(element.dataset.liveRegion));
  const timer = setInterval(() => {
    if (element.dataset.refresh === undefined) {
      clearInterval(timer);
    } else if (!document.hidden) {
      refresh();
    }
  }, Number(element.dataset.refresh) * 1000);
}

/** Cells of members take the letter and colour that the events say; what stands beside them is asked for again. */
function followRollout(element) {
  const url = new URL(location.href);
  url.searchParams.set('part', 'now');
  const refresh = oneAtATime(() => renew('rollout-now', url.href));
  const source = new EventSource(element.dataset.rollout);
  source.addEventListener('progress', ({ data }) => {
    for (const [node, cell] of Object.entries(JSON.parse(data).cells)) {
      redraw(element.querySelector(`[data-node="${CSS.escape(node)}"]`), node, cell);
    }
    countCells(element);
    refresh();
  });
  source.addEventListener('log', refresh);
  source.addEventListener('end', () => {
    source.close();
    refresh();
  });
}

function redraw(cell, node, { state, letter, note }) {
  if (cell !== null) {
    const said = `${node}: ${note}`;
    cell.className = `cell ${state}`;
    cell.title = said;
    cell.firstElementChild.textContent = letter;
    cell.lastElementChild.textContent = said;
  }
}

/** How many members are in each state, for those who count. */
function countCells(element) {
  for (const entry of element.querySelectorAll('[data-count]')) {
    const number = element.querySelectorAll(`a.cell.${CSS.escape(entry.dataset.count)}`).length;
    entry.lastElementChild.textContent = number;
    entry.hidden = number === 0;
  }
}

const MOST_LOG_CHARACTERS = 2_000_000;

/** Appends to a log what comes, try after try, until the job has ended. A browser makes a lost connection again. */
function followLog(element) {
  const source = new EventSource(element.dataset.log);
  source.addEventListener('message', ({ data }) => {
    append(element, JSON.parse(data).text);
  });
  source.addEventListener('end', () => {
    source.close();
    void renew('job').catch(() => undefined);
  });
}

function append(element, text) {
  const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  element.append(text);
  if (element.textContent.length > MOST_LOG_CHARACTERS) {
    element.textContent = element.textContent.slice(-MOST_LOG_CHARACTERS / 2);
  }
  if (isAtEnd) {
    element.scrollTop = element.scrollHeight;
  }
}

function searchWhileTyping(form) {
  let timer;
  const search = oneAtATime(async () => {
    const url = new URL(form.action);
    const text = form.elements.search.value.trim();
    if (text !== '') {
      url.searchParams.set('search', text);
    }
    history.replaceState(null, '', url);
    await renew(form.dataset.search, url.href);
  });
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(search, 150);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    document.execCommand('copy');
  }
  button.textContent = 'Copied';
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 2000);
}

function showCopyButtons(root) {
  for (const button of root.querySelectorAll('[data-copy]')) {
    button.hidden = false;
  }
}

document.addEventListener('click', ({ target }) => {
  const button = target.closest('[data-copy]');
  if (button !== null) {
    void copy(button);
  }
});
showCopyButtons(document);
for (const form of document.querySelectorAll('form[data-search]')) {
  searchWhileTyping(form);
}
for (const element of document.querySelectorAll('[data-events]')) {
  followEvents(element);
}
for (const element of document.querySelectorAll('[data-rollout]')) {
  followRollout(element);
}
for (const element of document.querySelectorAll('[data-refresh]')) {
  refreshRegularly(element);
}
for (const element of document.querySelectorAll('[data-log]')) {
  element.scrollTop = element.scrollHeight;
  followLog(element);
}
