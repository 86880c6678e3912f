import { Link, NavLink, Route, Routes } from 'react-router-dom';

import Adopt from './pages/Adopt.jsx';
import Applications from './pages/Applications.jsx';
import LogIn from './pages/LogIn.jsx';
import Pet from './pages/Pet.jsx';
import Pets from './pages/Pets.jsx';
import SignUp from './pages/SignUp.jsx';
import { Title } from './page.jsx';
import { useSession } from './session.jsx';

function Header() {
  const { user, known, leave } = useSession();
  return (
    <header className="top">
      <div className="wide">
        <Link to="/" className="brand">
          <img src="/paw.svg" alt="" width="32" height="32" /> Happy Tails
        </Link>
        <nav aria-label="Main">
          <NavLink to="/" end>
            Pets
          </NavLink>
          {user && (
            <>
              <NavLink to="/applications">My applications</NavLink>
              <button type="button" className="link" onClick={leave} id="log-out">
                Log out<span className="who"> {user.name}</span>
              </button>
            </>
          )}
          {!user && known && (
            <>
              <NavLink to="/login">Log in</NavLink>
              <NavLink to="/signup" className="button small">
                Sign up
              </NavLink>
            </>
          )}
        </nav>
      </div>
    </header>
  );
}

function Nothing() {
  return (
    <>
      <Title>There is nothing here</Title>
      <p>
        The page has run off. <Link to="/">Back to the pets</Link>
      </p>
    </>
  );
}

export default function App() {
  return (
    <>
      <a className="skip" href="#content">
        To the content
      </a>
      <Header />
      <main className="wide" id="content">
        <Routes>
          <Route path="/" element={<Pets />} />
          <Route path="/pets/:id" element={<Pet />} />
          <Route path="/pets/:id/adopt" element={<Adopt />} />
          <Route path="/login" element={<LogIn />} />
          <Route path="/signup" element={<SignUp />} />
          <Route path="/applications" element={<Applications />} />
          <Route path="*" element={<Nothing />} />
        </Routes>
      </main>
      <footer className="wide">Happy Tails: every tail deserves a home.</footer>
    </>
  );
}
