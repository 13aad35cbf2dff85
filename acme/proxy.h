/* The proxies of the environment, as curl reads it. */
#ifndef CERTWRIGHT_ACME_PROXY_H
#define CERTWRIGHT_ACME_PROXY_H

/*
 * The proxy by which a URL is reached: https_proxy or HTTPS_PROXY, for plain HTTP http_proxy alone,
 * else all_proxy or ALL_PROXY; unless no_proxy or NO_PROXY has its host, a domain above that, a
 * range that holds its address, or is "*". NULL: none, as for every address of this machine.
 * Borrowed from the environment.
 */
const char *proxy_for(const char *url);

#endif
