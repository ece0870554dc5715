// oidc-provider on a free port of 127.0.0.1. Whoever comes is logged in as "ada" and consents to all.
// Prints one line of JSON when it listens. Ends with its standard input.
// GET /received gives the logout token of the last back-channel logout.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const [redirectUri, clientSecret] = process.argv.slice(2);
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'Ed25519'];
const CLAIMS = {
  sub: 'ada',
  name: 'Ada Lovelace',
  given_name: 'Ada',
  family_name: 'Lovelace',
  preferred_username: 'ada.l',
  email: 'ada@example.com',
  email_verified: true,
  roles: ['user'],
  groups: ['staff'],
};

const server = createServer();
let provider;
let received = '';

function key(type, options) {
  return generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' });
}

function client(algorithm, issuer) {
  return {
    client_id: `client ${algorithm}`,
    client_secret: clientSecret,
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [new URL('/', redirectUri).href],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: algorithm,
    backchannel_logout_uri: `${issuer}/received`,
    backchannel_logout_session_required: true,
  };
}

function configuration(issuer) {
  return {
    clients: ALGORITHMS.map((algorithm) => client(algorithm, issuer)),
    jwks: {
      keys: [key('rsa', { modulusLength: 2048 }), key('ec', { namedCurve: 'P-256' }), key('ed25519')],
    },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    cookies: { keys: ['a key of the tests'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'roles', 'groups'],
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          ctx.body = form;
        },
      },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ ...CLAIMS, sub: id }) }),
    // without its guard against logout addresses in private networks, as this one is on loopback
    fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
    ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  };
}

async function interact(req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    await provider.interactionFinished(req, res, { login: { accountId: 'ada' } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(req, res, { consent }, { mergeWithLastSubmission: true });
}

async function receive(req, res) {
  if (req.method === 'POST') {
    let body = '';
    for await (const chunk of req) body += chunk;
    received = new URLSearchParams(body).get('logout_token');
  }
  res.end(received);
}

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, configuration(issuer));
  const answer = provider.callback();
  server.on('request', (req, res) => {
    const own = { '/interaction': interact, '/received': receive }[/^\/[^/?]*/.exec(req.url)[0]] ?? answer;
    Promise.resolve(own(req, res)).catch((error) => {
      console.error(error);
      res.writeHead(500).end();
    });
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.on('backchannel.error', (ctx, error) => console.error(error));
  console.log(JSON.stringify({ issuer }));
});
process.stdin.on('end', () => process.exit(0)).resume();
