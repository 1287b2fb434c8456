// A chat page: joins by server-sent events, says something by POST, and shows what is said.
'use strict';

const chat_words = {
    'zh-CN': {
        joining: '正在加入…', joined: '已加入', left: '已离开', lost: '与服务器的连接断开了', own: '自己', to: '对方', sent: '我',
        nothing: '服务器的回答看不懂',
    },
    en: {
        joining: 'joining…', joined: 'joined', left: 'left', lost: 'the connection to the server is lost', own: 'own', to: 'to',
        sent: 'I', nothing: 'the answer of the server makes no sense',
    },
}[document.documentElement.lang] || {};

// Messages kept on the page.
const MESSAGES = 500;

for (const section of document.querySelectorAll('.chat')) {
    const part = (selector) => section.querySelector(selector);
    const [join, say, talk, status] = [part('.join'), part('.say'), part('.talk'), part('.status')];
    const { base, lang } = section.dataset;
    const text = say.elements.text;
    let abort = null;
    let session = '';
    let charset = 'utf-8';

    const tell = (words, state) => {
        status.textContent = words;
        status.className = 'status ' + (state === 'joined' ? 'passed' : state === 'error' ? 'error' : '');
        section.dataset.state = state;
    };

    const seated = (is_seated) => {
        join.querySelector('.run').disabled = is_seated;
        join.querySelector('.stop').disabled = !is_seated;
        text.disabled = !is_seated;
        say.querySelector('.run').disabled = !is_seated;
    };

    const clear = (form) => {
        for (const error of form.querySelectorAll('.field-error, .error')) {
            error.hidden = true;
            error.textContent = '';
        }
        for (const control of form.querySelectorAll('[aria-invalid]')) control.removeAttribute('aria-invalid');
    };

    const refuse = (form, refusal) => {
        const left = [];
        for (const { name, message } of refusal.fields || []) {
            const control = form.elements[name];
            if (!control) {
                left.push(name + ': ' + message);
                continue;
            }
            const error = control.closest('.field').querySelector('.field-error');
            error.textContent = message;
            error.hidden = false;
            error.id = control.id + '-error';
            control.setAttribute('aria-invalid', 'true');
            control.setAttribute('aria-describedby', error.id);
            control.focus();
        }
        if (!(refusal.fields || []).length || left.length) show_error([refusal.message, ...left].join(' '));
    };

    const show_error = (words) => {
        const place = part('.error');
        place.textContent = words;
        place.hidden = false;
    };

    const add = (kind, who, words, bytes) => {
        const at_end = talk.scrollTop + talk.clientHeight >= talk.scrollHeight - 8;
        const item = document.createElement('li');
        item.className = kind;
        const line = document.createElement('span');
        line.className = 'words';
        line.textContent = (who ? who + ': ' : '') + words;
        item.append(line);
        if (bytes) {
            const hex = document.createElement('code');
            hex.textContent = bytes;
            item.append(hex);
        }
        talk.append(item);
        while (talk.childElementCount > MESSAGES) talk.firstElementChild.remove();
        if (at_end) talk.scrollTop = talk.scrollHeight;
    };

    const events = {
        session: (event) => { session = event.session; },
        joined: ({ own, room }) => {
            tell(`${chat_words.joined} (${chat_words.own} ${own}, ${chat_words.to} ${room})`, 'joined');
            text.focus();
        },
        // What the room itself says begins with a star; its bytes are nobody's message.
        message: ({ text: words, bytes, from }) => {
            const is_note = words.startsWith('* ');
            add(is_note ? 'note' : 'other', from, words, is_note ? '' : bytes);
        },
        sent: ({ text: words, bytes }) => add('own', chat_words.sent, words, bytes),
        error: ({ text: words }) => {
            show_error(words);
            tell('', 'error');
        },
    };

    const take = (block) => {
        let kind = 'message';
        let data = '';
        for (const line of block.split('\n')) {
            if (line.startsWith('event: ')) kind = line.slice(7);
            if (line.startsWith('data: ')) data += line.slice(6);
        }
        if (data && events[kind]) events[kind](JSON.parse(data));
    };

    const enter = async () => {
        clear(join);
        const query = new URLSearchParams(new FormData(join));
        query.set('lang', lang);
        charset = query.get('charset') || 'utf-8';
        abort = new AbortController();
        seated(true);
        tell(chat_words.joining, 'joining');
        try {
            const response = await fetch(`${base}/events?${query}`, { signal: abort.signal });
            if (!response.ok) {
                refuse(join, await response.json().catch(() => ({ message: chat_words.nothing })));
                return tell('', 'error');
            }
            const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
            let rest = '';
            for (let read = await reader.read(); !read.done; read = await reader.read()) {
                const blocks = (rest + read.value).split('\n\n');
                rest = blocks.pop();
                blocks.forEach(take);
            }
            if (section.dataset.state !== 'error') tell(chat_words.lost, 'error');
        } catch (error) {
            if (abort.signal.aborted) tell(chat_words.left, 'left');
            else tell(chat_words.lost, 'error');
        } finally {
            abort = null;
            session = '';
            seated(false);
        }
    };

    join.addEventListener('submit', (event) => {
        event.preventDefault();
        if (!abort) enter();
    });
    join.querySelector('.stop').addEventListener('click', () => abort && abort.abort());
    say.addEventListener('submit', async (event) => {
        event.preventDefault();
        clear(say);
        const words = text.value;
        const body = new URLSearchParams({ session, charset, text: words });
        try {
            const response = await fetch(`${base}/say?lang=${lang}`, { method: 'POST', body });
            if (response.ok) text.value = '';
            else refuse(say, await response.json());
        } catch (error) {
            show_error(chat_words.lost);
        }
        text.focus();
    });
}
