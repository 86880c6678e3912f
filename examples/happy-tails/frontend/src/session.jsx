// Who is logged in; everybody asks useSession().
import { createContext, useContext, useEffect, useMemo, useState } from 'react';

import { api, token } from './api.js';

const Session = createContext(null);

export const useSession = () => useContext(Session);

export function SessionProvider({ children }) {
  const [user, setUser] = useState(null);
  const [known, setKnown] = useState(!token.get());

  useEffect(() => {
    if (!token.get()) return;
    api
      .me()
      .then(setUser)
      .catch((e) => e.status === 401 && token.set(null))
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
