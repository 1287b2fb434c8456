// Runs the experiments of a lab's page and shows what they send (server-sent events).
'use strict';

const words = {
    'zh-CN': {
        running: '运行中…', waiting: '等待空位…', stopped: '已停止', passed: '通过：与课程一致', failed: '不一致',
        error: '出错', limit: '超过限制', lost: '与服务器的连接断开了', expected: '应为', found: '实为',
        more: '（前面的输出已省略）', nothing: '服务器的回答看不懂', seconds: '秒',
    },
    en: {
        running: 'running…', waiting: 'waiting for a place…', stopped: 'stopped', passed: 'passed: as the lesson says',
        failed: 'not as the lesson says', error: 'error', limit: 'over a limit',
        lost: 'the connection to the server is lost', expected: 'expected', found: 'found',
        more: '(earlier output left out)', nothing: 'the answer of the server makes no sense', seconds: 's',
    },
}[document.documentElement.lang] || {};

// Lines kept on the page.
const LINES = 3000;
const runs = new Map();

// On a phone the bar of labs is longer than the screen.
document.querySelector('.top [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
document.querySelectorAll('.origin').forEach((place) => { place.textContent = location.origin; });

for (const form of document.querySelectorAll('form[data-experiment]')) {
    const view = new View(form);
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        view.run();
    });
    form.querySelector('.stop').addEventListener('click', () => view.stop());
    runs.set(form.dataset.experiment, view);
}

function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
}

/// One experiment on the page.
function View(form) {
    const section = form.closest('.experiment');
    const part = (selector) => section.querySelector(selector);
    const status = part('.status');
    const results = part('.results');
    const output = part('.output');
    const progress = part('progress');
    let abort = null;
    let pids = [];
    let pending = [];
    let files = new Map();

    const say = (text, kind) => {
        status.textContent = text;
        status.className = 'status ' + (kind || '');
        section.dataset.state = kind || 'running';
    };

    const show_error = (text) => {
        const place = part('.error');
        place.textContent = text;
        place.hidden = !text;
    };

    const clear = () => {
        show_error('');
        for (const field of form.querySelectorAll('.field')) {
            const error = field.querySelector('.field-error');
            error.hidden = true;
            error.textContent = '';
            field.querySelector('[name]').removeAttribute('aria-invalid');
        }
        for (const selector of ['.checks', '.values', '.pictures', '.files', '.output']) {
            part(selector).replaceChildren();
        }
        progress.hidden = true;
        pids = [];
        pending = [];
        files.forEach((file) => URL.revokeObjectURL(file.url));
        files = new Map();
    };

    const refuse = (refusal) => {
        const left = [];
        for (const { name, message } of refusal.fields || []) {
            const control = form.elements[name];
            const field = control && control.closest && control.closest('.field');
            if (!field) {
                left.push(name + ': ' + message);
                continue;
            }
            const error = field.querySelector('.field-error');
            error.textContent = message;
            error.hidden = false;
            error.id = control.id + '-error';
            control.setAttribute('aria-invalid', 'true');
            control.setAttribute('aria-describedby', control.id + '-hint ' + error.id);
        }
        const first = form.querySelector('[aria-invalid]');
        if (first) first.focus();
        show_error([refusal.message, ...left].join(' '));
        say(words.error, 'error');
    };

    // Many lines may arrive at once: they are added once a frame.
    const flush = () => {
        if (!pending.length) return;
        const at_end = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
        const lines = document.createDocumentFragment();
        for (const { ms, pid, text } of pending.slice(-LINES)) {
            const line = element('span', 'row');
            line.append(element('span', 'ms', (ms / 1000).toFixed(2)));
            if (pid) {
                let index = pids.indexOf(pid);
                if (index < 0) index = pids.push(pid) - 1;
                line.append(element('span', 'pid c' + (index % 8), String(pid)));
            }
            line.append(text);
            lines.append(line);
        }
        output.append(lines);
        pending = [];
        let extra = output.childElementCount - LINES;
        if (extra > 0) {
            while (extra-- > 0) output.firstElementChild.remove();
            output.prepend(element('span', 'row', words.more));
        }
        if (at_end) output.scrollTop = output.scrollHeight;
    };

    const picture = ({ title, svg }) => {
        const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml');
        const figure = element('figure');
        figure.dataset.title = title;
        figure.tabIndex = 0;
        figure.append(element('figcaption', '', title), document.importNode(parsed.documentElement, true));
        const pictures = part('.pictures');
        const old = [...pictures.children].find((other) => other.dataset.title === title);
        if (old) old.replaceWith(figure);
        else pictures.append(figure);
    };

    const check = ({ what, expected, found, ok }) => {
        const item = element('li', ok ? 'good' : 'bad');
        item.append(element('span', 'mark', ok ? '✓ ' : '✗ '), what);
        const detail = expected === found ? expected : `${words.expected} ${expected} · ${words.found} ${found}`;
        item.append(element('span', 'detail', detail));
        part('.checks').append(item);
    };

    const value = ({ name, label, value }) => {
        const list = part('.values');
        let place = [...list.querySelectorAll('dd')].find((other) => other.dataset.name === name);
        if (!place) {
            place = element('dd');
            place.dataset.name = name;
            list.append(element('dt', '', label), place);
        }
        place.textContent = value;
    };

    const file = ({ name, media, base64 }) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        let entry = files.get(name);
        if (!entry) {
            const link = element('a', '', name);
            link.download = name;
            const item = element('li');
            item.append('⤓ ', link);
            part('.files').append(item);
            entry = { parts: [], link };
            files.set(name, entry);
        }
        entry.parts.push(bytes);
        if (entry.url) URL.revokeObjectURL(entry.url);
        entry.url = URL.createObjectURL(new Blob(entry.parts, { type: media }));
        entry.link.href = entry.url;
    };

    const end = ({ outcome, seconds, message }) => {
        flush();
        progress.hidden = true;
        const time = seconds ? ` (${seconds.toFixed(2)}\u00a0${words.seconds})` : '';
        say((words[outcome] || outcome) + time, outcome);
        if (message) show_error(message);
    };

    const handle = (kind, data) => {
        if (kind === 'line') {
            if (!pending.length) requestAnimationFrame(flush);
            pending.push(data);
        } else if (kind === 'start') {
            say(words.running);
        } else if (kind === 'progress') {
            progress.hidden = false;
            progress.max = data.total || 1;
            progress.value = data.done;
        } else {
            ({ picture, check, value, file, end })[kind]?.(data);
        }
        return kind === 'end';
    };

    const follow = async (response) => {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        for (;;) {
            const { done, value: chunk } = await reader.read();
            if (done) return false;
            text += chunk;
            const blocks = text.split('\n\n');
            text = blocks.pop();
            for (const block of blocks) {
                const event = /^event: (.*)\ndata: (.*)$/.exec(block);
                if (event) {
                    if (handle(event[1], JSON.parse(event[2]))) return true;
                }
            }
        }
    };

    this.stop = () => abort && abort.abort();

    this.run = async () => {
        this.stop();
        const own = new AbortController();
        abort = own;
        clear();
        results.hidden = false;
        part('.stop').disabled = false;
        say(words.waiting);
        const query = new URLSearchParams(new FormData(form));
        try {
            const response = await fetch(form.getAttribute('action') + '?' + query, {
                headers: { accept: 'text/event-stream' },
                signal: own.signal,
            });
            if (response.ok) {
                if (!await follow(response)) throw new Error(words.lost);
            } else {
                refuse(await response.json().catch(() => ({ message: words.nothing })));
            }
        } catch (error) {
            if (abort !== own) return;
            flush();
            progress.hidden = true;
            if (own.signal.aborted) {
                say(words.stopped, 'stopped');
            } else {
                say(words.error, 'error');
                show_error(error instanceof TypeError ? words.lost : error.message);
            }
        } finally {
            if (abort === own) {
                abort = null;
                // A disabled button loses the focus, and with it the place of who uses the keyboard.
                if (document.activeElement === part('.stop')) part('.run').focus();
                part('.stop').disabled = true;
            }
        }
    };
}
