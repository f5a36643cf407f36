"""Sections of bench/RESULTS.md."""
import os, re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'RESULTS.md')

def section(title, lines):
    """Writes one section of RESULTS.md; all others stay as they are."""
    parts = re.split(r'(?m)^(?=## )', open(PATH).read())
    lines = [line + '\n' if line.startswith('machine:') else '- ' + line if line and not line.startswith('|') else line for line in lines]
    text = f'## {title}\n\n' + '\n'.join(lines) + '\n\n'
    at = next((n for n, part in enumerate(parts) if part.startswith(f'## {title}\n')), None)
    if at is None:
        parts.insert(1, text)
    else:
        parts[at] = text
    with open(PATH, 'w') as f:
        f.write(''.join(parts).rstrip('\n') + '\n')
