"""The case "restrictions": what an ordinary site has between RCPT and the queue. Access tables for client, HELO name, sender and recipient, maps for addresses, 100 lines of
header checks; all of it is asked, and none of it refuses the load's mail."""
import os

# name: entries that the load never meets; the tables are as big as those of a site of some hundred users.
TABLES = {
    'clients': ('{0}.clients.test', 'REJECT'), 'helo': ('{0}.helo.test', 'REJECT'), 'senders': ('user{0}@senders.test', 'REJECT'),
    'recipients': ('user{0}@recipients.test', 'REJECT'), 'virtual': ('user{0}@virtual.test', 'other{0}@virtual.test'), 'canonical': ('user{0}@canonical.test', 'name{0}@canonical.test'),
}
ENTRIES, CHECKS = 1000, 100

def settings(mta):
    """Makes the tables of an instance, once; what main.cf says of them."""
    etc = f'{mta.dir}/etc'
    for name, (key, value) in TABLES.items():
        if not os.path.exists(f'{etc}/{name}'):
            with open(f'{etc}/{name}', 'w') as f:
                f.writelines(f'{key.format(n)} {value.format(n)}\n' for n in range(ENTRIES))
            mta.postmap(f'hash:{etc}/{name}')
    with open(f'{etc}/header_checks', 'w') as f:
        f.writelines(f'/^(Subject|From|To|X-Mailer):.*\\bword{n}(s|ing)?\\b.*[a-z]{{3,}}{n}/ REJECT number {n}\n' for n in range(CHECKS))
    return dict(
        smtpd_helo_required='yes',
        smtpd_client_restrictions=f'check_client_access hash:{etc}/clients',
        smtpd_helo_restrictions=f'reject_invalid_helo_hostname, check_helo_access hash:{etc}/helo',
        smtpd_sender_restrictions=f'reject_non_fqdn_sender, check_sender_access hash:{etc}/senders',
        smtpd_relay_restrictions='permit_mynetworks, reject_unauth_destination',
        smtpd_recipient_restrictions=f'reject_non_fqdn_recipient, reject_unauth_pipelining, check_recipient_access hash:{etc}/recipients, permit_mynetworks, reject',
        virtual_alias_maps=f'hash:{etc}/virtual', canonical_maps=f'hash:{etc}/canonical', header_checks=f'pcre:{etc}/header_checks')
