using System.Runtime.CompilerServices;

namespace Facteur.Config.Tests.MasterCf;

/// <summary>The services of files that administrators have on disk.</summary>
internal static class StockFiles
{
    /// <summary>Postfix's, with those that it ships commented out.</summary>
    internal const string Postfix = """
        smtp      inet  n       -       n       -       -       smtpd
        smtp      inet  n       -       n       -       1       postscreen
        smtpd     pass  -       -       n       -       -       smtpd
        dnsblog   unix  -       -       n       -       0       dnsblog
        tlsproxy  unix  -       -       n       -       0       tlsproxy
        127.0.0.1:submission inet n -   n       -       -       smtpd
        submission inet n       -       n       -       -       smtpd
          -o syslog_name=postfix/submission
          -o smtpd_forbid_unauth_pipelining=no
          -o smtpd_tls_security_level=encrypt
          -o smtpd_sasl_auth_enable=yes
          -o smtpd_tls_auth_only=yes
          -o local_header_rewrite_clients=static:all
          -o smtpd_hide_client_session=yes
          -o smtpd_reject_unlisted_recipient=no
          -o smtpd_client_restrictions=
          -o smtpd_helo_restrictions=
          -o smtpd_sender_restrictions=
          -o smtpd_relay_restrictions=
          -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
          -o smtpd_data_restrictions=
          -o smtpd_end_of_data_restrictions=
          -o milter_macro_daemon_name=ORIGINATING
        127.0.0.1:submissions inet n  -       n       -       -       smtpd
        submissions     inet  n       -       n       -       -       smtpd
          -o syslog_name=postfix/submissions
          -o smtpd_forbid_unauth_pipelining=no
          -o smtpd_tls_wrappermode=yes
          -o smtpd_sasl_auth_enable=yes
          -o local_header_rewrite_clients=static:all
          -o smtpd_hide_client_session=yes
          -o smtpd_reject_unlisted_recipient=no
          -o smtpd_client_restrictions=
          -o smtpd_helo_restrictions=
          -o smtpd_sender_restrictions=
          -o smtpd_relay_restrictions=
          -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
          -o smtpd_data_restrictions=
          -o smtpd_end_of_data_restrictions=
          -o milter_macro_daemon_name=ORIGINATING
        628       inet  n       -       n       -       -       qmqpd
        pickup    unix  n       -       n       60      1       pickup
        cleanup   unix  n       -       n       -       0       cleanup
        qmgr      unix  n       -       n       300     1       qmgr
        qmgr     unix  n       -       n       300     1       oqmgr
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
               -o smtp_helo_timeout=5 -o smtp_connect_timeout=5
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
        maildrop  unix  -       n       n       -       -       pipe
          flags=DRXhu user=vmail argv=/usr/local/bin/maildrop -d ${recipient}
        cyrus     unix  -       n       n       -       -       pipe
          flags=DRX user=cyrus argv=/cyrus/bin/deliver -e -r ${sender} -m ${extension} ${user}
        old-cyrus unix  -       n       n       -       -       pipe
          flags=R user=cyrus argv=/cyrus/bin/deliver -e -m ${extension} ${user}
        uucp      unix  -       n       n       -       -       pipe
          flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)
        ifmail    unix  -       n       n       -       -       pipe
          flags=F user=ftn argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)
        bsmtp     unix  -       n       n       -       -       pipe
          flags=Fq. user=bsmtp argv=/usr/local/sbin/bsmtp -f $sender $nexthop $recipient
        scalemail-backend unix -       n       n       -       2       pipe
          flags=R user=scalemail argv=/usr/lib/scalemail/bin/scalemail-store
        mailman   unix  -       n       n       -       -       pipe
          flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py
        """;

    /// <summary>Debian's.</summary>
    internal const string Debian = """
        smtp      inet  n       -       y       -       -       smtpd
        pickup    unix  n       -       y       60      1       pickup
        cleanup   unix  n       -       y       -       0       cleanup
        qmgr      unix  n       -       n       300     1       qmgr
        tlsmgr    unix  -       -       y       1000?   1       tlsmgr
        rewrite   unix  -       -       y       -       -       trivial-rewrite
        bounce    unix  -       -       y       -       0       bounce
        defer     unix  -       -       y       -       0       bounce
        trace     unix  -       -       y       -       0       bounce
        verify    unix  -       -       y       -       1       verify
        flush     unix  n       -       y       1000?   0       flush
        proxymap  unix  -       -       n       -       -       proxymap
        proxywrite unix -       -       n       -       1       proxymap
        smtp      unix  -       -       y       -       -       smtp
        relay     unix  -       -       y       -       -       smtp
                -o syslog_name=postfix/$service_name
        showq     unix  n       -       y       -       -       showq
        error     unix  -       -       y       -       -       error
        retry     unix  -       -       y       -       -       error
        discard   unix  -       -       y       -       -       discard
        local     unix  -       n       n       -       -       local
        virtual   unix  -       n       n       -       -       virtual
        lmtp      unix  -       -       y       -       -       lmtp
        anvil     unix  -       -       y       -       1       anvil
        scache    unix  -       -       y       -       1       scache
        postlog   unix-dgram n  -       n       -       1       postlogd
        maildrop  unix  -       n       n       -       -       pipe
          flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
        uucp      unix  -       n       n       -       -       pipe
          flags=Fqhu user=uucp argv=uux -r -n -z -a$sender - $nexthop!rmail ($recipient)
        ifmail    unix  -       n       n       -       -       pipe
          flags=F user=ftn argv=/usr/lib/ifmail/ifmail -r $nexthop ($recipient)
        bsmtp     unix  -       n       n       -       -       pipe
          flags=Fq. user=bsmtp argv=/usr/lib/bsmtp/bsmtp -t$nexthop -f$sender $recipient
        scalemail-backend unix -       n       n       -       2       pipe
          flags=R user=scalemail argv=/usr/lib/scalemail/bin/scalemail-store ${nexthop} ${user} ${extension}
        mailman   unix  -       n       n       -       -       pipe
          flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py ${nexthop} ${user}
        """;

    /// <summary>The directory of our own.</summary>
    internal static string Packaging => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "../../../packaging/conf"));

    private static string Here([CallerFilePath] string path = "") => path;
}
