// The welcome page: one language at a time, and the plugins that are installed besides the labs.
// Without this script both languages are shown.
'use strict';

const named = new URLSearchParams(location.search).get('lang');
const liked = navigator.languages.map((tag) => tag.split('-')[0]).find((tag) => tag === 'zh' || tag === 'en');
const language = named === 'zh' || named === 'en' ? named : liked || 'en';
document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
document.documentElement.dataset.lang = language;
document.title = language === 'zh' ? '欢迎来到华清远见 · Tenon 榫' : 'Welcome to Farsight · Tenon';
document.querySelector(`[data-to="${language}"]`).hidden = true;

for (const link of document.querySelectorAll('#labs a')) {
    link.href += `?lang=${language}`;
}

// The list is a plugin's answer; a server without that plugin shows none.
fetch('/installed.py', { headers: { accept: 'application/json' } })
    .then((response) => (response.ok ? response.json() : { plugins: [] }))
    .then(({ plugins }) => {
        const known = new Set([...document.querySelectorAll('#labs a')].map((link) => new URL(link.href).pathname));
        known.add('/installed.py');
        const others = document.getElementById('others');
        for (const { name, description } of plugins) {
            const path = `/${name}.py`;
            if (known.has(path)) continue;
            const item = document.createElement('li');
            const link = document.createElement('a');
            const title = document.createElement('strong');
            const code = document.createElement('code');
            link.href = path;
            title.textContent = name;
            code.textContent = path;
            link.append(title, description ? `${description} ` : '', code);
            item.append(link);
            others.querySelector('ul').append(item);
            others.hidden = false;
        }
    })
    .catch(() => {});
