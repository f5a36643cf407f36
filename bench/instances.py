"""The two mail systems that the load benchmark compares: each in a directory of its own, every process of it in one control group."""
import os, re, shutil, signal, socket, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
ENV = dict(os.environ, DOTNET_TieredPGO='0')
PORTS = {'postfix': 2625, 'facteur': 2626, 'facteur-roles': 2627, 'facteur-single': 2628}
SINK = 2600

class Mta:
    """One instance; its settings are written anew at each start."""
    def __init__(self, name, top):
        self.name, self.dir, self.port = name, os.path.join(top, name), PORTS[name]
        self.group = f'/sys/fs/cgroup/cpuacct/bench-relay-{os.getpid()}-{name}'
        self.case = {}
        os.makedirs(self.group, exist_ok=True)
        for d in ('etc', 'data', 'spool'):
            os.makedirs(f'{self.dir}/{d}')
        os.chmod(self.dir, 0o755)

    def configure(self, **case):
        """Writes main.cf: what every instance has, what this mail system needs, and what the case wants."""
        self.case = case
        settings = dict(queue_directory=f'{self.dir}/spool', data_directory=f'{self.dir}/data', myhostname=f'{self.name}.bench.test', mydestination='', alias_maps='', alias_database='', mynetworks='127.0.0.0/8',
                        inet_interfaces='127.0.0.1', inet_protocols='ipv4', relayhost=f'[127.0.0.1]:{SINK}', maillog_file=f'{self.dir}/maillog', maillog_file_prefixes=self.dir)
        settings.update(self.own())
        settings.update(case)
        with open(f'{self.dir}/etc/main.cf', 'w') as f:
            f.writelines(f'{name} = {value}\n' for name, value in settings.items())

    def run(self, *argv, **more):
        """Runs a command inside the group."""
        def enter():
            with open(self.group + '/cgroup.procs', 'w') as f:
                f.write(str(os.getpid()))
        return subprocess.run(argv, preexec_fn=enter, env=ENV, **dict(dict(stdin=subprocess.DEVNULL), **more))

    def pids(self):
        return [int(p) for p in open(self.group + '/cgroup.procs').read().split()]

    def cpu(self):
        """Microseconds of user and system time of all processes so far."""
        return int(open(self.group + '/cpuacct.usage').read()) / 1000

    def pss(self):
        """KiB of all processes."""
        return sum(kib for _, kib in self.processes())

    def processes(self):
        """(what a process is, its PSS in KiB) of each."""
        for pid in self.pids():
            try:
                kib = int(re.search(r'^Pss:\s+(\d+)', open(f'/proc/{pid}/smaps_rollup').read(), re.M).group(1))
                words = open(f'/proc/{pid}/cmdline').read().split('\0')
            except (OSError, AttributeError):
                continue
            yield (words[2] if words[1:2] == ['role'] else words[1] if words[1:2] and words[0].rpartition('/')[2].startswith('facteur') else words[0].rpartition('/')[2]), kib

    def start(self):
        r = self.command('start')
        if r.returncode:
            sys.exit(f'{self.name} did not start: {r.stdout.decode()}')
        for _ in range(100):
            try:
                with socket.create_connection(('127.0.0.1', self.port), 1) as s:
                    if s.recv(4).startswith(b'220'):
                        s.sendall(b'QUIT\r\n')
                        return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f'{self.name} does not answer on port {self.port}')

    def stop(self):
        self.command('stop')
        for _ in range(100):
            if not self.pids():
                return
            time.sleep(0.1)
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)

    def again(self):
        """Each case begins with processes that have done nothing yet."""
        self.stop()
        self.start()

    def remove(self):
        for _ in range(50):
            try:
                os.rmdir(self.group)
                return
            except OSError:
                time.sleep(0.1)

class Postfix(Mta):
    def __init__(self, top):
        super().__init__('postfix', top)
        shutil.chown(f'{self.dir}/data', 'postfix', 'postfix')
        for f in ('dynamicmaps.cf', 'postfix-files', 'post-install', 'postfix-script', 'dynamicmaps.cf.d', 'postfix-files.d'):
            if os.path.exists('/etc/postfix/' + f):
                subprocess.run(['cp', '-r', '/etc/postfix/' + f, self.dir + '/etc/'], check=True)
        stock = subprocess.run(['postconf', '-c', '/usr/share/postfix', '-M'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode() if os.path.exists('/usr/share/postfix/master.cf') else ''
        stock = open('/usr/share/postfix/master.cf.dist').read() if os.path.exists('/usr/share/postfix/master.cf.dist') else stock
        lines = [re.sub(r'^smtp(\s+inet)', f'127.0.0.1:{self.port}\\1', l) for l in stock.splitlines()]
        lines = [re.sub(r'^(\S+\s+\S+\s+\S+\s+\S+\s+)y(\s)', r'\1n\2', l) for l in lines]
        with open(f'{self.dir}/etc/master.cf', 'w') as f:
            f.write('\n'.join(lines) + '\n')
        self.configure()

    def own(self):
        return dict(compatibility_level='3.6', command_directory='/usr/sbin', daemon_directory='/usr/lib/postfix/sbin', shlib_directory='/usr/lib/postfix',
                    meta_directory=f'{self.dir}/etc', mail_owner='postfix', setgid_group='postdrop')

    def command(self, what):
        return self.run('/usr/sbin/postfix', '-c', self.dir + '/etc', what, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def sendmail(self, recipient, text):
        return subprocess.run(['/usr/sbin/sendmail', '-C', self.dir + '/etc', recipient], input=text)

    def postmap(self, table):
        subprocess.run(['/usr/sbin/postmap', '-c', self.dir + '/etc', table], check=True)

class Facteur(Mta):
    """With a process per role as it is installed: mail_owner postfix, setgid_group postdrop. In one process nothing changes its user, and mail_owner is root."""
    def __init__(self, top, bin, single=False, name='facteur'):
        super().__init__(name, top)
        self.bin, self.single = bin, single
        if not single:
            shutil.chown(f'{self.dir}/data', 'postfix', 'postfix')
        lines = [re.sub(r'^smtp(\s+inet)', f'127.0.0.1:{self.port}\\1', l) for l in open(f'{ROOT}/packaging/conf/master.cf').read().splitlines()]
        with open(f'{self.dir}/etc/master.cf', 'w') as f:
            f.write('\n'.join(lines) + '\n')
        self.configure()

    def own(self):
        return dict(compatibility_level='3.11', mail_owner='root' if self.single else 'postfix', setgid_group='root' if self.single else 'postdrop')

    def command(self, what):
        single = ['--single-process'] if self.single and what == 'start' else []
        return self.run(self.bin, 'postfix', '-c', self.dir + '/etc', what, *single, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def sendmail(self, recipient, text):
        return subprocess.run([self.bin, 'sendmail', '-C', self.dir + '/etc', recipient], input=text)

    def postmap(self, table):
        subprocess.run([self.bin, 'postmap', '-c', self.dir + '/etc', table], check=True)
