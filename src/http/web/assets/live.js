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

function refreshRegularly(element) {
  const refresh = oneAtATime(() => renew(element.dataset.liveRegion));
  setInterval(() => {
    if (!document.hidden) {
      refresh();
    }
  }, Number(element.dataset.refresh) * 1000);
}

// Colours and cursor movements of terminals, as the server leaves them out too.
// oxlint-disable-next-line no-control-regex
const TERMINAL_CODES = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\][^\u0007]*\u0007|\r(?=\n)/g;
const MOST_LOG_CHARACTERS = 2_000_000;
const OPEN_STATES = ['waiting', 'ready', 'leased'];

/** Appends to a log what comes, try after try, until the job has ended. Lost connections are made again. */
async function followLog(element) {
  const url = new URL(element.dataset.follow, location.href);
  const jobUrl = new URL(url.pathname.replace(/\/log$/, ''), url);
  for (let wait = 500; ; wait = Math.min(wait * 2, 15_000)) {
    const job = await followOnce(element, url, jobUrl).catch(() => undefined);
    if (job !== undefined && !OPEN_STATES.includes(job.state)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Reads one answer to its end. The URL moves along with what was read. */
async function followOnce(element, url, jobUrl) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`the log answers ${response.status}`);
  }
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    url.searchParams.set('offset', Number(url.searchParams.get('offset')) + part.value.byteLength);
    append(element, decoder.decode(part.value, { stream: true }));
  }
  await renew('job');
  const job = await (await fetch(jobUrl)).json();
  if (job.attempt > Number(url.searchParams.get('attempt') ?? job.attempt)) {
    append(element, `\n--- try ${job.attempt} ---\n`);
    url.searchParams.set('offset', 0);
  }
  if (job.attempt > 0) {
    url.searchParams.set('attempt', job.attempt);
  }
  return job;
}

function append(element, text) {
  const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  element.append(text.replace(TERMINAL_CODES, ''));
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
for (const element of document.querySelectorAll('[data-refresh]')) {
  refreshRegularly(element);
}
for (const element of document.querySelectorAll('[data-follow]')) {
  element.scrollTop = element.scrollHeight;
  void followLog(element);
}
