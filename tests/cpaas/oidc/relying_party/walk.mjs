// An application that shares no code with the platform: openid-client, told what to do line by line.
// Each line on stdin is {"do": …}; each line on stdout is what came of it.
import * as client from "openid-client";
import { createInterface } from "node:readline";

const given = JSON.parse(process.argv[2]);
const insecure = { execute: [client.allowInsecureRequests] };
const config = await client.discovery(
  new URL(given.issuer), given.client_id, given.metadata, undefined, insecure,
);
let verifier, state, nonce, tokens, claims;

const steps = {
  async begin({ parameters = {} }) {
    verifier = client.randomPKCECodeVerifier();
    state = client.randomState();
    nonce = client.randomNonce();
    return client.buildAuthorizationUrl(config, {
      redirect_uri: given.redirect_uri,
      scope: given.scope,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
      ...parameters,
    }).href;
  },
  async finish({ url, max_age }) {
    tokens = await client.authorizationCodeGrant(config, new URL(url), {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
      maxAge: max_age,
    });
    claims = tokens.claims();
    return { tokens, claims };
  },
  async userinfo() {
    return client.fetchUserInfo(config, tokens.access_token, claims.sub);
  },
  async refresh() {
    tokens = await client.refreshTokenGrant(config, tokens.refresh_token);
    return tokens;
  },
  async introspect() {
    return client.tokenIntrospection(config, tokens.access_token);
  },
  async revoke() {
    await client.tokenRevocation(config, tokens.refresh_token);
    return null;
  },
  async credentials({ scope }) {
    return client.clientCredentialsGrant(config, { scope });
  },
  async exchange({ scope }) {
    return client.genericGrantRequest(
      config,
      "urn:ietf:params:oauth:grant-type:token-exchange",
      {
        subject_token: tokens.access_token,
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
        scope,
      },
    );
  },
  async device() {
    steps.waiting = await client.initiateDeviceAuthorization(config, { scope: given.scope });
    return steps.waiting;
  },
  async poll() {
    tokens = await client.pollDeviceAuthorizationGrant(config, steps.waiting);
    return tokens;
  },
  async leave({ target }) {
    return client.buildEndSessionUrl(config, {
      post_logout_redirect_uri: target,
      id_token_hint: tokens.id_token,
      state: "bye",
    }).href;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let said;
  try {
    said = { ok: await steps[asked.do](asked) };
  } catch (error) {
    said = { error: error.code ?? error.name, cause: String(error.cause?.error ?? error.message) };
  }
  process.stdout.write(JSON.stringify(said) + "\n");
}
