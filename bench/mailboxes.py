"""Cases whose mail ends in mailboxes of this machine: a thousand of one virtual user, or of as many system users."""
import hashlib, os, re, shutil, subprocess, sys, threading, time

PRIVATE = 'FACTEUR_BENCH_PRIVATE'
USERS, FIRST_ID, DOMAIN = 1000, 61000, 'box.test'

def private_users(top):
    """Adds the users to a user database that only this process and its children see: whatever ends it, nothing of them is left."""
    for name, more in (('passwd', [f'fb{n}:x:{FIRST_ID + n}:{FIRST_ID}:bench:{top}/home/fb{n}:/bin/sh\n' for n in range(USERS)]), ('group', [f'fbench:x:{FIRST_ID}:\n'])):
        with open(f'{top}/{name}', 'w') as f:
            f.write(open(f'/etc/{name}').read().rstrip('\n') + '\n' + ''.join(more))
        os.chmod(f'{top}/{name}', 0o644)
        subprocess.run(['mount', '--bind', f'{top}/{name}', f'/etc/{name}'], check=True)
    os.makedirs(f'{top}/home', mode=0o755)
    for n in range(USERS):
        os.mkdir(f'{top}/home/fb{n}', 0o700)
        os.chown(f'{top}/home/fb{n}', FIRST_ID + n, FIRST_ID)

def own_mounts():
    """Starts this program again with mounts of its own."""
    if os.environ.get(PRIVATE) != 'yes':
        os.environ[PRIVATE] = 'yes'
        os.execvp('unshare', ['unshare', '--mount', sys.executable, *sys.argv])

class Maildirs:
    """virtual(8): Maildirs of one user, in a table of addresses."""
    users = 'u'

    def settings(self, mta):
        base = f'{mta.dir}/boxes'
        if not os.path.exists(base):
            os.mkdir(base, 0o755)
            os.chown(base, FIRST_ID, FIRST_ID)
            with open(f'{mta.dir}/etc/boxes', 'w') as f:
                f.writelines(f'u{n}@{DOMAIN} u{n}/\n' for n in range(USERS))
        return dict(virtual_mailbox_domains=DOMAIN, virtual_mailbox_base=base, virtual_mailbox_maps=f'texthash:{mta.dir}/etc/boxes',
                    virtual_uid_maps=f'static:{FIRST_ID}', virtual_gid_maps=f'static:{FIRST_ID}')

    def folders(self, mta):
        return (f'{mta.dir}/boxes/u{n}/new' for n in range(USERS))

    def empty(self, mta):
        # Aside, not deleted: see rest().
        aside = f'{mta.dir}/aside-{time.monotonic_ns()}'
        os.mkdir(aside)
        for number, file in enumerate(self.files(mta)):
            os.rename(file, f'{aside}/{number}')

    def files(self, mta):
        return [f'{folder}/{name}' for folder in self.folders(mta) if os.path.isdir(folder) for name in os.listdir(folder)]

    def count(self, mta):
        return len(self.files(mta))

    def texts(self, mta, most):
        """Some of the messages, as they lie there."""
        files = self.files(mta)
        return [open(file, 'rb').read() for file in files[::max(len(files) // most, 1)]]

class UserMaildirs(Maildirs):
    """local(8): home_mailbox of system users."""
    users = 'fb'

    def settings(self, mta):
        return dict(mydestination=DOMAIN, biff='no', home_mailbox=f'Maildir-{mta.name}/')

    def folders(self, mta):
        home = os.path.join(os.path.dirname(mta.dir), 'home')
        return (f'{home}/fb{n}/Maildir-{mta.name}/new' for n in range(USERS))

class UserMailboxes:
    """local(8): mailboxes of system users in one directory, with the rights of Debian's /var/mail."""
    users = 'fb'

    def settings(self, mta):
        spool = f'{mta.dir}/mail'
        if not os.path.exists(spool):
            os.mkdir(spool)
            shutil.chown(spool, 'root', 'mail')
            os.chmod(spool, 0o2775)
        return dict(mydestination=DOMAIN, biff='no', mail_spool_directory=spool)

    def files(self, mta):
        # Lock files come and go.
        return [file.path for file in os.scandir(f'{mta.dir}/mail') if not file.name.endswith('.lock')]

    def empty(self, mta):
        for file in self.files(mta):
            os.truncate(file, 0)

    def count(self, mta):
        return sum(open(file, 'rb').read().count(b'\nX-Load-Number: ') for file in self.files(mta))

    def texts(self, mta, most):
        found = []
        for file in self.files(mta)[:max(most // 10, 1)]:
            # A line "From " begins a message, an empty one ends it.
            found += [text.partition(b'\n')[2][:-1] for text in re.split(rb'(?:^|(?<=\n\n))From ', open(file, 'rb').read())[1:]]
        return found

def right(text):
    """Whether the body is the one whose hash the message carries."""
    head, _, body = text.partition(b'\n\n')
    hash = re.search(rb'^X-Load-Hash: (\w+)', head, re.M)
    return hash is not None and hashlib.sha256(body.replace(b'\n', b'\r\n')).hexdigest().upper().encode() == hash[1]

class Deliveries:
    """Counts status=sent in a log from now on; a look costs nothing beside what is measured."""
    def __init__(self, path):
        self.path, self.at, self.rest, self.seen, self.failed = path, os.path.getsize(path), b'', 0, 0

    def look(self):
        with open(self.path, 'rb') as f:
            f.seek(self.at)
            new = f.read()
        self.at += len(new)
        lines, _, self.rest = (self.rest + new).rpartition(b'\n')
        self.seen += lines.count(b'status=sent')
        self.failed += lines.count(b'status=bounced') + lines.count(b'status=deferred')
        return self.seen

REST = 65  # seconds
ended = None

def rest():
    """ext4 gives the inode of a deleted file to no other for a minute, and whoever makes files meanwhile pays for the search: each pays for its own files alone."""
    if ended is not None:
        time.sleep(max(0, ended + REST - time.monotonic()))

def load(mta, boxes, program, size, sessions, messages):
    """One load; seconds until the log has seen every message delivered and every message lies there, CPU per message, peak PSS in KiB, wrong contents."""
    global ended
    boxes.empty(mta)
    os.sync()
    rest()
    delivered, peak, done = Deliveries(f'{mta.dir}/maillog'), [0], threading.Event()
    source = subprocess.Popen([program, 'source', '--port', str(mta.port), '--sessions', str(sessions), '--messages', str(messages), '--size', str(size), '--to', f'{boxes.users}%d@{DOMAIN}',
                               '--users', str(USERS), '--wait'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], mta.pss())
            done.wait(1)
    watcher = threading.Thread(target=watch)
    try:
        source.stdout.readline()
        cpu, started = mta.cpu(), time.monotonic()
        source.stdin.write(b'\n')
        source.stdin.flush()
        watcher.start()
        there = 0
        while time.monotonic() < started + 300 and delivered.failed < 20:
            time.sleep(0.005)
            if delivered.look() >= messages:
                seconds = time.monotonic() - started
                there = boxes.count(mta)
                if there >= messages:
                    break
        else:
            seconds, there = time.monotonic() - started, boxes.count(mta)
        done.set()
        watcher.join()
        source.communicate()
        time.sleep(0.3)
        cpu = (mta.cpu() - cpu) / max(there, 1)
        wrong = sum(not right(text) for text in boxes.texts(mta, 200))
        if there != messages or wrong:
            print(f'    {mta.name}: {there} of {messages} are there, {wrong} of a sample with a wrong hash', flush=True)
            log = [l for l in open(mta.dir + '/maillog', errors='replace') if 'status=sent' not in l and ('status=' in l or 'warning' in l or 'error' in l)]
            print('    ' + '    '.join(log[:5]), flush=True)
        return dict(rate=there / seconds, cpu=cpu, pss=peak[0], all=there == messages and not wrong)
    finally:
        done.set()
        source.kill()
        source.wait()
        os.sync()
        ended = time.monotonic()
