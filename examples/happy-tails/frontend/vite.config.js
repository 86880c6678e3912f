import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Files under assets/ carry a hash of their content in the name, so they may be cached for ever.
export default defineConfig({
  plugins: [react()],
  build: { sourcemap: false, assetsInlineLimit: 0 },
  // npm run dev: the page reloads as it is edited; the API comes from a back end of your own.
  server: { proxy: { '/api': process.env.VITE_API_ORIGIN ?? 'http://localhost:5000' } },
});
