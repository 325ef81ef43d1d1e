-- Sends the requests of a file in turn, one a line: path, host and headers, divided by tabs.
local requests, current = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local fields = {}
        for field in line:gmatch("[^\t]+") do
            fields[#fields + 1] = field
        end
        local headers = { ["Host"] = fields[2] }
        for number = 3, #fields do
            local name, value = fields[number]:match("^([^:]+): (.*)$")
            headers[name] = value
        end
        requests[#requests + 1] = wrk.format("GET", fields[1], headers)
    end
end

function request()
    current = current % #requests + 1
    return requests[current]
end

function done(summary)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %f, "failed": %d}\n', summary.requests, summary.duration / 1e6, failed
    ))
end
