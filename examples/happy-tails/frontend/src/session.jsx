// Who is logged in; everybody asks useSession().
import { createContext, useContext, useEffect, useMemo, useState } from 'react';

import { api, token, whenRefused } from './api.js';

const Session = createContext(null);

export const useSession = () => useContext(Session);

export function SessionProvider({ children }) {
  const [user, setUser] = useState(null);
  const [known, setKnown] = useState(!token.get()); // a token is there, but not yet whose

  useEffect(() => {
    whenRefused(() => setUser(null));
    if (!token.get()) return;
    api
      .me()
      .then(setUser)
      .catch(() => {}) // the page works without; what needs an account asks for it
      .finally(() => setKnown(true));
  }, []);

  const session = useMemo(
    () => ({
      user,
      known,
      enter: (answer) => {
        token.set(answer.token);
        setUser(answer.user);
      },
      leave: () => {
        token.set(null);
        setUser(null);
      },
    }),
    [user, known],
  );
  return <Session.Provider value={session}>{children}</Session.Provider>;
}
