#!/usr/bin/python3
"""Differential harness: scenario -> private mail system instance in own mount/net/uts/pid namespaces -> normalized record -> diff.
  difftest.py record [-s sut.json] [-o outdir] scenario.yml...     run and store outdir/<name>.json + .txt
  difftest.py compare [-s sut.json] [-r recorded] scenario.yml...  run the SUT and diff against the stored record
  difftest.py diff a.json b.json
Needs root, util-linux unshare, python3-yaml, python3-dnslib. All traffic stays on 127/8 of a private network namespace."""
import sys, os, re, json, time, socket, subprocess, shutil, pathlib, difflib, glob, traceback, ssl
HERE = os.path.dirname(os.path.abspath(__file__))
B = '/mnt/it'; ETC = B + '/etc'
USERS = {'alice': 2001, 'bob': 2002, 'carol': 2003, 'dave': 2004, 'owner': 2005, 'vmail': 2100}
MAIN = """compatibility_level = {compatibility_level}
queue_directory = /mnt/it/spool
data_directory = /mnt/it/data
command_directory = {bindir}
daemon_directory = {daemon_directory}
meta_directory = {meta_directory}
sendmail_path = {bindir}/sendmail
newaliases_path = {bindir}/newaliases
mailq_path = {bindir}/mailq
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.dest.example
mydomain = dest.example
myorigin = $mydomain
mydestination = $myhostname, localhost.$mydomain, localhost, $mydomain
mynetworks = 127.0.0.0/24
inet_interfaces = 127.0.0.25, 127.0.0.1
inet_protocols = ipv4
mail_spool_directory = /mnt/it/mail
default_database_type = lmdb
alias_maps = lmdb:/mnt/it/etc/aliases
alias_database = lmdb:/mnt/it/etc/aliases
maillog_file = /mnt/it/log/mail.log
maillog_file_prefixes = /mnt/it
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C
biff = no
smtp_host_lookup = dns
smtputf8_autodetect_classes = sendmail, verify
minimal_backoff_time = 300s
alternate_config_directories = /mnt/it/etc
"""
MASTER = """smtp      inet  n       -       n       -       -       smtpd
pickup    unix  n       -       n       1       1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
        -o syslog_name=${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""
ALIASES = "postmaster: root\nMAILER-DAEMON: postmaster\nroot: owner\n"
ZONE = {
 'dest.example': ['MX 10 mx.dest.example'], 'mx.dest.example': ['A 127.0.0.25'], '25.0.0.127.in-addr.arpa': ['PTR mx.dest.example'],
 '1.0.0.127.in-addr.arpa': ['PTR localhost'], 'localhost': ['A 127.0.0.1'],
 'remote.example': ['MX 10 mx1.remote.example', 'MX 20 mx2.remote.example'], 'mx1.remote.example': ['A 127.0.10.1'], 'mx2.remote.example': ['A 127.0.10.2'],
 'other.example': ['A 127.0.10.3'], 'relayhost.example': ['A 127.0.10.4'], 'nullmx.example': ['MX 0 .'], 'tempfail.example': 'SERVFAIL', 'refuse.example': ['A 127.0.10.99'],
 'sender.example': ['MX 10 mx.sender.example'], 'mx.sender.example': ['A 127.0.10.5'], 'nomxnoa.example': ['TXT v=spf1 -all'],
 'client.good.example': ['A 127.0.7.1'], '1.7.0.127.in-addr.arpa': ['PTR client.good.example'],
 'liar.example': ['A 127.0.7.222'], '2.7.0.127.in-addr.arpa': ['PTR liar.example'],
 '4.7.0.127.in-addr.arpa': ['PTR spammer.bad.example'], 'spammer.bad.example': ['A 127.0.7.4'],
 '4.7.0.127.bl.example': ['A 127.0.0.2', 'TXT Listed, see http://bl.example/q'], 'bad.example.rhsbl.example': ['A 127.0.0.2', 'TXT bad domain'],
 'bad.example': ['A 127.0.10.3'], 'xn--bcher-kva.example': ['A 127.0.10.3'],
}
def sh(*a, **k): return subprocess.run(a, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **k)

class Run:
    def __init__(self, sc, sut):
        self.sc, self.sut, self.out = sc, sut, {'scenario': sc['name'], 'sut': sut['name'], 'steps': []}
    def fmt(self, a): return [x.format(etc=ETC, **{k: v for k, v in self.sut.items() if isinstance(v, str)}) for x in a]
    def setup(self):
        sh('mount', '-t', 'tmpfs', 'none', '/mnt'); os.makedirs(B)
        sh('ip', 'link', 'set', 'lo', 'up'); sh('ip', 'addr', 'add', '127.0.0.25/32', 'dev', 'lo'); socket.sethostname('mx.dest.example')
        for d in 'etc spool data mail log home peers vmail tmp'.split(): os.mkdir(f'{B}/{d}')
        pw = [l for l in open('/etc/passwd') if l.split(':')[0] in ('root', 'daemon', 'nobody')] + ['postfix:x:9900:9900::/nonexistent:/usr/sbin/nologin\n'] + \
             ['%s:x:%d:%d:%s Example:%s/home/%s:/bin/sh\n' % (u, i, i, u.capitalize(), B, u) for u, i in USERS.items()]
        gr = [l for l in open('/etc/group') if l.split(':')[0] in ('root', 'daemon', 'nogroup', 'mail')] + ['postfix:x:9900:\n', 'postdrop:x:9902:\n'] + ['%s:x:%d:\n' % (u, i) for u, i in USERS.items()]
        for p, t in (('passwd', ''.join(pw)), ('group', ''.join(gr)), ('hosts', '127.0.0.1 localhost\n127.0.0.25 mx.dest.example mx\n'), ('resolv.conf', 'nameserver 127.0.0.53\noptions timeout:2 attempts:1\n')):
            open(f'{B}/tmp/{p}', 'w').write(t)
            if not os.path.exists('/etc/' + p): open('/etc/' + p, 'w').close()
            sh('mount', '--bind', f'{B}/tmp/{p}', os.path.realpath('/etc/' + p))
        for u, i in USERS.items():
            h = f'{B}/home/{u}'; os.mkdir(h); os.chown(h, i, i)
        os.chown(f'{B}/vmail', 2100, 2100); os.chown(f'{B}/data', 9900, 9900); os.chmod(f'{B}/mail', 0o1777); os.chmod(f'{B}/peers', 0o777); os.chmod(f'{B}/log', 0o755)
        main = MAIN.format(**{'compatibility_level': '3.11', **{k: v for k, v in self.sut.items() if isinstance(v, str)}}) + self.sut.get('main_extra', '') + (self.sc.get('main', '') or '')
        for f in self.sut.get('copy_etc', []):   # Debian's Postfix keeps its own files beside main.cf
            if os.path.exists('/etc/postfix/' + f): sh('cp', '-r', '/etc/postfix/' + f, ETC + '/' + f)
        open(f'{ETC}/main.cf', 'w').write(main)
        open(f'{ETC}/master.cf', 'w').write(MASTER + (self.sc.get('master', '') or ''))
        open(f'{ETC}/aliases', 'w').write(ALIASES + (self.sc.get('aliases', '') or ''))
        os.makedirs('/etc/postfix', exist_ok=True); sh('mount', '--bind', ETC, '/etc/postfix')   # setgid postdrop only trusts directories listed in the default main.cf
        for p, t in (self.sc.get('files') or {}).items(): self.put(p, t)
        zone = dict(ZONE); zone.update(self.sc.get('dns') or {})
        import peers
        self.dns = peers.DNS(zone); self.dns.start(); self.peers = {}
        sinks = {'mx1.remote.example': {'listen': ['127.0.10.1', 25]}, 'other.example': {'listen': ['127.0.10.3', 25]}}
        sinks.update(self.sc.get('sinks') or {})
        for n, s in sinks.items():
            if s is None: continue
            t = peers.Sink(n, s); t.start(); self.peers[n] = ('sink', t)
        for kind, cls in (('policy', peers.Policy), ('tcptable', peers.TcpTable), ('milter', peers.Milter)):
            for n, s in (self.sc.get(kind) or {}).items(): t = cls(s); t.start(); self.peers[n] = (kind, t)
        if self.sc.get('tls'):
            sh('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', f'{ETC}/key.pem', '-out', f'{ETC}/cert.pem', '-days', '30', '-subj', '/CN=mx.dest.example')
        for c in self.sc.get('pre') or []: self.step({'run': c})
        r = self.command(['newaliases']); 
        if r.returncode: self.out['newaliases'] = r.stderr.decode()
        r = sh(*self.fmt(self.sut['start'])); self.out['start'] = {'rc': r.returncode, 'stderr': r.stderr.decode('utf8', 'replace')}
        end = time.time() + 15
        while time.time() < end:
            if re.search(r'(?m)^ *\d+: [0-9A-F]{8}:0019 00000000:0000 0A.*', '\n'.join(l for l in open('/proc/net/tcp') if '1900007F:0019' in l)): break
            time.sleep(0.03)
        self.first_log = 0
    def put(self, p, t):
        owner = None
        if isinstance(t, dict): owner, mode, t = t.get('owner'), t.get('mode'), t['text']
        else: mode = None
        f = p if p.startswith('/') else f'{ETC}/{p}'
        os.makedirs(os.path.dirname(f), exist_ok=True); open(f, 'w').write(t)
        m = re.match(f'{B}/home/([a-z]+)/', f)
        if m and not owner: owner = m[1]
        if owner: os.chown(f, USERS[owner], USERS[owner])
        if mode: os.chmod(f, int(str(mode), 8))
    def command(self, argv, user=None, stdin=b'', timeout=30):
        env = {'PATH': '/usr/bin:/bin', 'LANG': 'C', 'HOME': '/', 'TZ': 'UTC'}
        full = self.fmt(self.sut['commands'][argv[0]]) + argv[1:] if argv[0] in self.sut['commands'] else argv
        if user: full = ['setpriv', '--reuid', str(USERS[user]), '--regid', str(USERS[user]), '--clear-groups'] + full; env['LOGNAME'] = env['USER'] = user
        try: return subprocess.run(full, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=timeout, cwd='/')
        except subprocess.TimeoutExpired as e: return subprocess.CompletedProcess(full, 124, e.stdout or b'', b'TIMEOUT')
    def queue(self):
        r = self.command(['postqueue', '-j']); q = []
        for l in r.stdout.decode('utf8', 'replace').splitlines():
            try: q.append(json.loads(l))
            except ValueError: q.append({'raw': l})
        return q
    def wait_idle(self, timeout=25):
        end = time.time() + timeout; calm = 0
        while time.time() < end:
            busy = [m for m in self.queue() if m.get('queue_name') in ('maildrop', 'incoming', 'active')]
            calm = 0 if busy else calm + 1
            if calm >= 3: return True
            time.sleep(0.12)
        self.out['steps'].append({'wait': 'NOT IDLE after %ss' % timeout}); return False
    def step(self, s):
        k = next(iter(s))
        if k == 'smtp': self.smtp(s[k])
        elif k == 'run':
            v = s[k]; v = {'cmd': v} if isinstance(v, (str, list)) else v
            import shlex
            argv = shlex.split(v['cmd']) if isinstance(v['cmd'], str) else v['cmd']
            argv = [self.expand(a) for a in argv]
            inp = v.get('stdin', ''); inp = inp.encode('utf8', 'surrogateescape') if isinstance(inp, str) else inp
            r = self.command(argv, v.get('user'), inp)
            self.out['steps'].append({'run': ' '.join(argv), 'user': v.get('user', 'root'), 'rc': r.returncode, 'stdout': r.stdout.decode('utf8', 'replace'), 'stderr': r.stderr.decode('utf8', 'replace')})
        elif k == 'wait':
            if s[k] == 'idle': self.wait_idle()
            else: time.sleep(float(s[k]))
        elif k == 'put':
            for p, t in s[k].items(): self.put(p, t)
        elif k == 'reload': r = sh(*self.fmt(self.sut['reload'])); time.sleep(0.5)
        elif k == 'queue': self.out['steps'].append({'queue': sorted(self.queue(), key=lambda m: (m.get('queue_name', ''), m.get('sender', ''), m.get('message_size', 0)))})
        elif k == 'wait_log':
            end = time.time() + 20
            while time.time() < end and not re.search(s[k], self.logtext()): time.sleep(0.1)
        else: raise ValueError(k)
    def expand(self, a):
        m = re.match(r'^\{qid:(\d+)\}$', a)
        if m:
            q = sorted(self.queue(), key=lambda x: x.get('arrival_time', 0)); return q[int(m[1])]['queue_id'] if int(m[1]) < len(q) else 'NOQUEUEID'
        return a
    def logtext(self):
        try: return open(f'{B}/log/mail.log', errors='surrogateescape').read()
        except OSError: return ''
    def smtp(self, sp):
        T = []; self.out['steps'].append({'smtp': T})
        src = sp.get('from_ip', '127.0.7.1'); dst = tuple(sp.get('to', ['127.0.0.25', 25]))
        s = socket.socket(); s.settimeout(sp.get('timeout', 20)); s.bind((src, 0))
        try: s.connect(dst)
        except OSError as e: T.append('! connect %s' % type(e).__name__); return
        buf = b''
        def reply():
            nonlocal buf, s; lines = []
            while True:
                while b'\n' not in buf:
                    try: d = s.recv(65536)
                    except socket.timeout: T.append('! timeout'); return False
                    except OSError: T.append('! closed by server'); return False
                    if not d:
                        T.append('! closed by server'); return False
                    buf += d
                l, buf = buf.split(b'\n', 1); t = l.decode('utf8', 'replace')
                t = t[:-1] if t.endswith('\r') else t + '(bare LF)'
                T.append('S: ' + t)
                if not re.match(r'\d\d\d-', t): return True
        def raw(b): 
            try: s.sendall(b)
            except OSError: pass   # the following read reports the close
        if not sp.get('nobanner') and not reply(): return
        for x in sp['script']:
            if isinstance(x, str): T.append('C: ' + x); raw(x.encode('utf8', 'surrogateescape') + b'\r\n'); ok = reply()
            elif 'raw' in x: T.append('C> ' + x['raw']); raw(x['raw'].encode('utf8').decode('unicode_escape').encode('latin1')); ok = True
            elif 'repeat' in x:
                raw(x['repeat'].encode().decode('unicode_escape').encode('latin1') * x['n']); T.append('C> %s x %d' % (x['repeat'], x['n'])); ok = True
            elif 'read' in x:
                for _ in range(x['read']):
                    if not reply(): break
            elif 'data' in x:
                d = x['data'].replace('\r\n', '\n').rstrip('\n').split('\n')
                raw(('\r\n'.join('.' + l if l.startswith('.') else l for l in d) + '\r\n.\r\n').encode('utf8', 'surrogateescape')); T.append('C: (message %d lines)' % len(d)); reply()
            elif 'sleep' in x: time.sleep(x['sleep'])
            elif 'halfclose' in x: s.shutdown(socket.SHUT_WR)
            elif 'starttls' in x:
                T.append('C: STARTTLS'); raw(b'STARTTLS\r\n')
                if reply() and T[-1].startswith('S: 220'):
                    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE
                    try: s = ctx.wrap_socket(s); buf = b''; T.append('(TLS established)')
                    except (OSError, ssl.SSLError) as e: T.append('! TLS %s' % type(e).__name__)
            elif 'close' in x: s.close(); T.append('(client closed)'); return
        try: s.close()
        except OSError: pass
    def collect(self):
        o = self.out; o['queue_end'] = sorted(self.queue(), key=lambda m: (m.get('queue_name', ''), m.get('sender', ''), m.get('message_size', 0)))
        mail = {}
        for root in ('mail', 'home', 'vmail', 'peers'):
            for d, _, fs in os.walk(f'{B}/{root}'):
                for f in fs:
                    p = os.path.join(d, f); rel = p[len(B) + 1:]
                    if f.endswith('.lock') or os.path.islink(p) or not os.path.isfile(p): continue
                    if p in (self.sc.get('files') or {}): continue
                    k = re.sub(r'/(new|cur|tmp)/[^/]+$', r'/\1/*', rel)
                    st = os.stat(p); txt = open(p, errors='surrogateescape').read()
                    for part in (re.split(r'(?m)(?<=\n\n)(?=^From \S+ +\w{3} \w{3} +\d+ \d\d:)', txt) if txt.startswith('From ') else [txt]):
                        mail.setdefault(k, []).append({'uid': st.st_uid, 'mode': '%o' % (st.st_mode & 0o7777), 'text': part})
        o['mail'] = dict(sorted(mail.items()))
        time.sleep(0.1)
        o['peers'] = {}
        for n, (kind, t) in self.peers.items():
            if kind == 'sink' and t.sessions:
                for x in t.sessions:
                    while x['commands'] and x['commands'][-1] in ('QUIT', '(eof)', '(error ConnectionResetError)'): x['commands'].pop()
                o['peers'][n] = sorted(t.sessions, key=lambda x: self.norm(json.dumps(x)))
            if kind == 'policy': o['peers'][n] = t.requests
            if kind == 'tcptable': o['peers'][n] = sorted(set(t.requests))
            if kind == 'milter': o['peers'][n] = t.events
        o['log'] = self.logtext()
        o['dns'] = sorted(set(self.dns.log))
    def stop(self): sh(*self.fmt(self.sut['stop'])); 
    # ---------------- normalization
    QID = r'\b(?:[0-9A-F]{6,15}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{10,20})\b'
    def norm_msg(self, t): return self.norm(t)
    def learn(self):
        """queue ids in order of appearance in the log, then elsewhere"""
        self.ids = {}
        def add(i):
            if i not in self.ids: self.ids[i] = 'Q%d' % (len(self.ids) + 1)
        for st in self.out['steps']:
            for l in st.get('smtp', []):
                m = re.search(r'queued as (%s)' % self.QID, l)
                if m: add(m[1])
            for m in re.findall(r'queued as (%s)' % self.QID, st.get('stdout', '')): add(m)
            for q in st.get('queue', []): 
                if 'queue_id' in q: add(q['queue_id'])
        for l in self.out['log'].splitlines():
            m = re.search(r'\]: (%s): ' % self.QID, l)
            if m: add(m[1])
    def norm(self, t):
        if not getattr(self, 'ids', None): self.ids = {}
        for i, n in self.ids.items(): t = t.replace(i, n)
        t = re.sub(r'(boundary=")[^"]*?/', r'\1BOUNDARY/', t)
        t = re.sub(r'(?m)^(--)?(Q\d+)\.\d+/', r'\1\2.TIME/', t)
        t = re.sub(r'(Q\d+)\.\d{8,}/', r'\1.TIME/', t)
        t = re.sub(r'\b\d{14}\.(Q\d+)@', r'YYYYMMDDHHMMSS.\1@', t)
        t = re.sub(r'\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}( \([A-Z]+\))?', 'DATE', t)
        t = re.sub(r'(?m)^(From \S+ +)\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}', r'\1DATE', t)
        t = re.sub(r'\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:\d\d:\d\d', 'DATE', t)
        t = re.sub(r'\b(delay)=[\d.]+', r'\1=N', t); t = re.sub(r'delays=[\d./]+', 'delays=N', t)
        t = re.sub(r'(\[127[\d.]+\]):\d{4,5}\b', r'\1:PORT', t)
        t = re.sub(r'("?(?:arrival_time|forced_expire_time)"?[:=] ?)\d+', r'\1T', t)
        t = re.sub(r'(\{client_port\}|\{server_port\}|\{daemon_port\}|XCLIENT .*PORT|XFORWARD .*PORT)=\d+', r'\1=X', t)
        t = re.sub(r'(?m)^(X-Postfix-[A-Za-z-]*: *)?time=\d+', r'\1time=T', t)
        t = t.replace(self.sut['name'], 'SUT')
        return t
    def deep(self, x):
        if isinstance(x, str): return self.norm(x)
        if isinstance(x, list): return [self.deep(y) for y in x]
        if isinstance(x, dict): return {k: ('T' if k in ('arrival_time', 'forced_expire_time') and isinstance(y, int) else 'X' if k in ('client_port', 'instance', 'server_port') else self.deep(y)) for k, y in x.items()}
        return x
    def normalize(self):
        o = self.out; self.learn(); n = self.norm
        r = {'scenario': o['scenario'], 'start': {'rc': o['start']['rc'], 'stderr': n(re.sub(r'(?m)^(postfix/\S+: )', r'\1', o['start']['stderr']))}}
        r['steps'] = self.deep(o['steps']); r['queue_end'] = self.deep(o['queue_end'])
        key = lambda x: re.sub(r'Q\d+', 'Q', x['text'])
        r['mail'] = {k: sorted([dict(m, text=n(m['text'])) for m in v], key=key) for k, v in o['mail'].items()}
        r['peers'] = self.deep(o['peers'])
        ses, per = [], {}
        for l in o['log'].splitlines():
            m = re.match(r'^(?:\w{3} +\d+ [\d:]+|\S+T\S+) \S+ (\S+?)\[\d+\]: (.*)$', l)
            if not m: ses.append(n(l)); continue
            prog, txt = m[1], m[2]
            if re.search(r'(postfix-script|postfix/master|postfix/anvil|postfix/scache|postfix/tlsmgr|postlogd)$', prog) and not re.search(r'warning|error|fatal|panic', txt): continue
            txt = re.sub(r'\bpid[= ]\d+', 'pid N', txt); txt = re.sub(r'process id \d+', 'process id N', txt)
            q = re.match(r'(%s): (.*)$' % self.QID, txt)
            if q: per.setdefault(self.ids.get(q[1], q[1]), []).append(n(prog + ': ' + q[2]))
            else: ses.append(n(prog + ': ' + txt))
        r['log_session'] = ses; r['log_by_message'] = per
        return r

def text(r):
    out = ['# scenario: ' + r['scenario'], '# start rc=%s %s' % (r['start']['rc'], r['start']['stderr'].strip())]
    for s in r['steps']:
        k = next(iter(s)); out.append('')
        if k == 'smtp': out += ['--- smtp'] + s['smtp']
        elif k == 'run': out += ['--- run (%s) %s -> rc %s' % (s['user'], s['run'], s['rc'])] + ['out| ' + l for l in s['stdout'].splitlines()] + ['err| ' + l for l in s['stderr'].splitlines()]
        else: out += ['--- ' + k] + [json.dumps(x, sort_keys=True, ensure_ascii=False) for x in (s[k] if isinstance(s[k], list) else [s[k]])]
    out += ['', '--- queue at end'] + [json.dumps(x, sort_keys=True, ensure_ascii=False) for x in r['queue_end']]
    for k, v in r['mail'].items():
        for m in v: out += ['', '--- file %s uid=%s mode=%s' % (k, m['uid'], m['mode'])] + m['text'].splitlines()
    for k, v in r['peers'].items():
        for x in v:
            out += ['', '--- peer ' + k]
            if isinstance(x, dict) and 'commands' in x:
                out += ['< ' + c for c in x['commands']]
                for m in x['messages']: out += ['  rcpts %s -> %s' % (m['rcpts'], m['replies'])] + ['  | ' + l for l in m['text'].splitlines()]
            elif isinstance(x, list): out += x
            elif isinstance(x, dict): out += ['%s=%s' % kv for kv in x.items()]
            else: out.append(str(x))
    out += ['', '--- log (no queue id)'] + r['log_session']
    for q in sorted(r['log_by_message'], key=lambda x: int(x[1:]) if x[1:].isdigit() else 0): out += ['', '--- log ' + q] + r['log_by_message'][q]
    return '\n'.join(out) + '\n'

SECT = {'behaviour': lambda r: behaviour(r), 'wire': lambda r: json.dumps([[s.get('smtp', s.get('run') and {k: s[k] for k in ('rc', 'stdout')})] for s in r['steps']], indent=1, sort_keys=True),
        'mail': lambda r: notice(json.dumps([r['mail'], r['peers']], indent=1, sort_keys=True)), 'queue': lambda r: json.dumps(sorted(r['queue_end'], key=lambda q: json.dumps(q, sort_keys=True)), indent=1, sort_keys=True),
        'log': lambda r: json.dumps([sorted(set(r['log_session'])), sorted(map(sorted, r['log_by_message'].values()))], indent=1)}
def notice(j):
    """the wording of a delivery report's human introduction is each product's own: only what it says of the recipients is compared"""
    return re.sub(r'(Content-Description: Notification\\n.*?\\n\\n).*?(?=\\n<|\\n--)', r'\1(introduction)\\n', j)
def behaviour(r):
    """level A: reply codes + enhanced codes, exit codes, who got how many messages, what is left in which queue"""
    o = []
    for s in r['steps']:
        if 'smtp' in s: o += [re.sub(r'^S: (\d\d\d)[ -](\d\.\d+\.\d+)?.*', r'S: \1 \2', l) if l.startswith('S:') else l for l in s['smtp']]
        elif 'run' in s: o.append('rc %s %s' % (s['rc'], s['run']))
    o += ['mailbox %s x%d' % (k, sum(max(1, len(re.findall(r'(?m)^From \S+ +DATE', m['text']))) for m in v)) for k, v in r['mail'].items()]
    for k, v in r['peers'].items():
        for x in v:
            if isinstance(x, dict) and 'messages' in x:
                for m in x['messages']: o.append('peer %s %s' % (k, m['rcpts']))
    o += ['queue %s %s %s' % (q.get('queue_name'), q.get('sender'), sorted(x['address'] for x in q.get('recipients', []))) for q in r['queue_end']]
    return '\n'.join(o)
def canon(r):
    r = dict(r, log_by_message=dict(enumerate(r['log_by_message'].values())))
    r = json.loads(re.sub(r'\bQ\d+\b', 'Q', json.dumps(r, ensure_ascii=False)))   # ids are numbered for readers; not compared
    for v in r['mail'].values(): v.sort(key=lambda m: m['text'])
    for k, v in r['peers'].items():
        if v and isinstance(v[0], dict) and 'commands' in v[0]: v.sort(key=lambda x: json.dumps(x))
    return r
def diff(a, b, verbose=True):
    res = {}; a, b = canon(a), canon(b)
    for n, f in SECT.items():
        x, y = f(a).splitlines(), f(b).splitlines(); d = [l for l in difflib.unified_diff(x, y, 'postfix', 'sut', lineterm='', n=1)]
        res[n] = not d
        if d and verbose: print('  [%s differs]' % n); print('\n'.join('    ' + l for l in d[:60]))
    return res

def inner(argv):
    import yaml
    sys.path.insert(0, HERE)
    sc = yaml.safe_load(open(argv[0])); sc['name'] = pathlib.Path(argv[0]).stem; sut = json.load(open(argv[1])); r = Run(sc, sut)
    try:
        r.setup()
        for s in sc['steps']: r.step(s)
        r.collect()
    except Exception: r.out['exception'] = traceback.format_exc()
    if 'exception' in r.out: print(r.out['exception'], file=sys.stderr); r.stop(); sys.exit(3)
    if sc.get('stop'): r.stop()
    # otherwise the pid namespace is killed with us
    if 'exception' in r.out: print(r.out['exception'], file=sys.stderr); sys.exit(3)
    n = r.normalize(); json.dump(n, open(argv[2], 'w'), indent=1, ensure_ascii=True); open(argv[2].replace('.json', '') + '.rawlog', 'w', errors='surrogateescape').write(r.out['log'])

def run_one(sc, sut, out):
    die = lambda: __import__('ctypes').CDLL(None).prctl(1, 9)   # no orphan when the runner is killed
    p = subprocess.run(['unshare', '-m', '-n', '-u', '-p', '-i', '-f', '--mount-proc', '--kill-child', '--propagation', 'private', '/usr/bin/python3', os.path.abspath(__file__), '--inner', sc, sut, out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=180, preexec_fn=die)
    if p.returncode: return p.stderr.decode()[-1500:]
    return None

def main():
    a = sys.argv[1:]
    if a and a[0] == '--inner': return inner(a[1:])
    mode = a.pop(0); sut = HERE + '/sut-facteur.json'; outd = HERE + '/recorded'; scs = []
    while a:
        x = a.pop(0)
        if x == '-s': sut = a.pop(0)
        elif x in ('-o', '-r'): outd = a.pop(0)
        else: scs.append(x)
    if mode == 'diff': print(diff(json.load(open(scs[0])), json.load(open(scs[1])))); return
    scs = scs or sorted(glob.glob(HERE + '/scenarios/*.yml')); tot = {}; bad = 0
    from concurrent.futures import ThreadPoolExecutor
    os.makedirs(outd, exist_ok=True); stem = lambda sc: pathlib.Path(sc).stem
    tmpd = outd if mode == 'record' else __import__('tempfile').mkdtemp(prefix='difftest.'); os.makedirs(tmpd, exist_ok=True)
    pool = ThreadPoolExecutor(int(os.environ.get('JOBS', '4')))
    def job(sc):
        t0 = time.time()
        try: e = run_one(sc, sut, f'{tmpd}/{stem(sc)}.json')
        except subprocess.TimeoutExpired: e = 'TIMEOUT'
        return e, time.time() - t0
    futs = {sc: pool.submit(job, sc) for sc in scs}
    for sc in scs:
        n = stem(sc); e, dt = futs[sc].result()
        if mode == 'record':
            if e: print('FAIL', n, e); bad += 1; continue
            r = json.load(open(f'{outd}/{n}.json')); open(f'{outd}/{n}.txt', 'w', errors='surrogateescape').write(text(r)); print('ok   %-40s %.1fs' % (n, dt), flush=True)
        else:
            tmp = f'{tmpd}/{n}.json'
            if e: print('FAIL', n, e); bad += 1; continue
            d = diff(json.load(open(f'{outd}/{n}.json')), json.load(open(tmp)))
            for k, v in d.items(): tot.setdefault(k, [0, 0]); tot[k][0] += v; tot[k][1] += 1
            print('%-40s %s' % (n, ' '.join('%s=%s' % (k, 'same' if v else 'DIFF') for k, v in d.items())), flush=True)
            bad += not all(v for k, v in d.items() if k != 'log')   # a log line may differ, see docs/compatibility.md
    for k, (x, y) in tot.items(): print('%-10s %d/%d' % (k, x, y))
    sys.exit(bool(bad))
main()
