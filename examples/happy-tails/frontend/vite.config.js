import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Files under assets/ carry a hash of their content in the name, so they may be cached for ever.
export default defineConfig({
  plugins: [react()],
  build: { sourcemap: false, assetsInlineLimit: 0 },
  server: { proxy: { '/api': 'http://localhost:5000' } },
});
