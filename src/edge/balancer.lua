-- Why: endpoints change all the time, and a change must not cost a reload. The controller puts them
-- into shared memory through the control socket; here every request picks one. Loaded by nginx.c's
-- configuration as "edge"; keep it free of anything that runs longer than a request.
--
--   shared dict kennel_backends   "version" -> number that grows, negative while the controller wants
--                                 clients to leave; "b KEY" -> "ip:port ip:port ..."
--   shared dict kennel_counts     metric line -> value
local balancer = require "ngx.balancer"

local ngx = ngx
local backends = ngx.shared.kennel_backends
local counts = ngx.shared.kennel_counts
local find, gmatch, match = string.find, string.gmatch, string.match
local random = math.random

local M = {}

-- ---- peers: this worker's reading of the shared memory, as of one version ----

local seen = nil
local cache = {}

local function read_peers(key)
	local p = { n = 0, host = {}, port = {} }
	for address in gmatch(backends:get("b " .. key) or "", "%S+") do
		local host, port = match(address, "^(.*):(%d+)$")
		p.n = p.n + 1
		p[p.n] = address
		p.host[p.n] = host
		p.port[p.n] = tonumber(port)
	end
	-- Workers and replicas start at different places, or they would all begin with the first pod.
	p.turn = p.n > 0 and random(p.n) or 0
	return p
end

local function peers_of(key)
	local version = backends:get("version")
	if version ~= seen then
		seen = version
		cache = {}
	end
	local p = cache[key]
	if not p then
		p = read_peers(key)
		cache[key] = p
	end
	return p
end

local function next_peer(p)
	local turn = p.turn % p.n + 1
	p.turn = turn
	return turn
end

-- ---- choosing the backend ----

local function begin(key)
	local p = peers_of(key)
	if p.n == 0 then
		return ngx.exit(503)
	end
	if seen and seen < 0 then
		ngx.header["Connection"] = "close" -- with the answer, so that no request meets the end
	end
	local ctx = ngx.ctx
	ctx.key = key
	ctx.peers = p
	return p, ctx
end

function M.rewrite()
	local key = ngx.var.proxy_upstream_name
	if key ~= "" then
		begin(key)
	end
end

-- Header, then cookie, then weight; the first that speaks decides.
local function takes_canary(var)
	local header = var.canary_header
	if header ~= "" then
		local value = var["http_" .. header:lower():gsub("-", "_")]
		if value then
			if var.canary_value ~= "" then
				if value == var.canary_value then
					return true
				end
			elseif var.canary_pattern ~= "" then
				if ngx.re.find(value, var.canary_pattern, "jo") then
					return true
				end
			elseif value == "always" then
				return true
			elseif value == "never" then
				return false
			end
		end
	end
	if var.canary_cookie ~= "" then
		local value = var["cookie_" .. var.canary_cookie]
		if value == "always" then
			return true
		elseif value == "never" then
			return false
		end
	end
	return random(tonumber(var.canary_total)) <= tonumber(var.canary_weight)
end

local function give_cookie(var, address)
	local tail = var.sticky_tail
	if var.sticky_secure ~= "" or var.scheme == "https" then
		tail = tail .. "; Secure"
	end
	ngx.header["Set-Cookie"] = var.sticky_cookie .. "=" .. ngx.md5(address) .. tail
end

local function stick(var, p, ctx)
	local given = var["cookie_" .. var.sticky_cookie]
	ctx.moves = var.sticky_moves ~= ""
	if given then
		if not p.tokens then
			p.tokens = {}
			for i = 1, p.n do
				p.tokens[ngx.md5(p[i])] = i
			end
		end
		ctx.first = p.tokens[given]
	end
	if not ctx.first then
		ctx.first = next_peer(p)
		give_cookie(var, p[ctx.first])
	end
end

function M.rewrite_by_request()
	local var = ngx.var
	local key = var.proxy_upstream_name
	local canary = var.canary_backend
	if canary ~= "" and takes_canary(var) and peers_of(canary).n > 0 then
		var.proxy_alternative_upstream_name = canary
		key = canary
	end
	local p, ctx = begin(key)
	if p and var.sticky_cookie ~= "" then
		stick(var, p, ctx)
	end
end

-- ---- choosing the endpoint ----

-- A peer that this request has not tried yet, if there is one.
local function another(p, tried)
	local turn
	for _ = 1, p.n do
		turn = next_peer(p)
		if not find(tried, " " .. p[turn] .. " ", 1, true) then
			return turn
		end
	end
	return turn
end

function M.balance()
	local ctx = ngx.ctx
	local p = peers_of(ctx.key)
	if p.n == 0 then
		p = ctx.peers -- all went between rewrite and now: try whom we knew
	end
	local turn
	if not ctx.tried then
		balancer.set_more_tries(p.n > 10 and 10 or (p.n > 1 and p.n - 1 or 1))
		turn = p == ctx.peers and ctx.first or next_peer(p)
		ctx.tried = " " .. p[turn] .. " "
	else
		turn = another(p, ctx.tried)
		ctx.tried = ctx.tried .. p[turn] .. " "
		if ctx.moves then
			give_cookie(ngx.var, p[turn])
		end
	end
	local ok, err = balancer.set_current_peer(p.host[turn], p.port[turn])
	if not ok then
		ngx.log(ngx.ERR, "peer ", p[turn], " cannot be used: ", err)
	end
end

-- ---- the control socket ----

local function body()
	ngx.req.read_body()
	local text = ngx.req.get_body_data()
	local path = not text and ngx.req.get_body_file()
	if path then
		local f = assert(io.open(path, "rb"))
		text = f:read("*a")
		f:close()
	end
	return text or ""
end

-- Lines "KEY ip:port ip:port ..."; a key without addresses has none any more.
function M.receive()
	for key, list in gmatch(body(), "([^ \n]+) ?([^\n]*)\n") do
		if list == "" then
			backends:delete("b " .. key)
		else
			local ok, err = backends:safe_set("b " .. key, list)
			if not ok then
				ngx.status = 507
				ngx.say(key, ": ", err)
				return
			end
		end
	end
	backends:incr("version", 1, 0)
	ngx.say("ok")
end

-- The controller is about to end.
function M.drain()
	backends:set("version", -1000000000)
	ngx.say("ok")
end

-- ---- counts ----

local methods = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, PATCH = true, OPTIONS = true }
local prefix = "nginx_ingress_controller_"

function M.log()
	local var = ngx.var
	local ingress = var.ingress_name
	if ingress == "" then
		return
	end
	local method = var.request_method
	local who = '{ingress="' .. ingress .. '",namespace="' .. var.namespace .. '",service="' ..
		var.service_name .. '",status="' .. var.status .. '",method="' ..
		(methods[method] and method or "OTHER") .. '"}'
	counts:incr(prefix .. "requests" .. who, 1, 0)
	counts:incr(prefix .. "request_duration_seconds_count" .. who, 1, 0)
	counts:incr(prefix .. "request_duration_seconds_sum" .. who, tonumber(var.request_time) or 0, 0)
end

function M.metrics()
	local var = ngx.var
	local lines = { "# TYPE " .. prefix .. "requests counter" }
	local keys = counts:get_keys(0)
	table.sort(keys)
	for _, key in ipairs(keys) do
		local value = counts:get(key)
		if value then
			lines[#lines + 1] = key .. " " .. value
		end
	end
	for _, state in ipairs({ "active", "reading", "writing", "waiting" }) do
		lines[#lines + 1] = prefix .. 'nginx_process_connections{state="' .. state .. '"} ' ..
			(var["connections_" .. state] or 0)
	end
	ngx.print(table.concat(lines, "\n"), "\n")
end

return M
